"""Certificates of the sandbox's cluster: one authority, one certificate a client or server, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

_AUTHORITY = """[req]
distinguished_name = dn
x509_extensions = v3
prompt = no
[dn]
CN = kolla-k8s sandbox
[v3]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
"""
_LEAF = """basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""


def make(folder: Path, leaves: dict[str, tuple[str, str]]) -> None:
    """Write ``ca``, ``sa`` and each leaf (name -> subject, alternative names) as PEM files into a folder of 0700."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (folder / "ca.cnf").write_text(_AUTHORITY)
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key")
    _openssl(folder, "req", "-x509", "-new", "-key", "ca.key", "-days", "365", "-out", "ca.crt", "-config", "ca.cnf")
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key")
    _openssl(folder, "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    for name, (subject, names) in leaves.items():
        leaf(folder, name, subject, names)


def leaf(folder: Path, name: str, subject: str, names: str) -> None:
    """Write one more leaf of a folder's authority."""
    key, request, signed, extensions = (f"{name}.{ending}" for ending in ("key", "csr", "crt", "ext"))
    (folder / extensions).write_text(_LEAF.format(names=names))
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    _openssl(folder, "req", "-new", "-key", key, "-subj", subject, "-out", request)
    authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "365"]
    _openssl(folder, "x509", "-req", "-in", request, *authority, "-extfile", extensions, "-out", signed)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
