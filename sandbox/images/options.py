"""``python -m sandbox.images.options``: write down every oslo option that the release's images know.

Asked of the images themselves by oslo-config-generator. The lists lie beside the definitions, so that a misspelt option
of a definition or a site is an error before anything is applied.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.build import cache
from sandbox.images import engine
from sandbox.images.table import NAMESPACE, RELEASE, TAG

LISTS = {
    "keystone": ("keystone", ["/keystone/config-generator/keystone.conf"]),
    "glance": ("glance-api", ["/glance/etc/oslo-config-generator/glance-api.conf"]),
    "placement": ("placement-api", ["/placement/etc/placement/config-generator.conf"]),
    "nova": ("nova-api", ["/nova/etc/nova/nova-config-generator.conf"]),
    "cinder": ("cinder-api", ["/cinder/tools/config/cinder-config-generator.conf"]),
    "heat": ("heat-api", ["/heat/etc/heat/heat-config-generator.conf", "oslo.concurrency"]),
    **{
        name: (
            "neutron-server",
            [f"/neutron/etc/oslo-config-generator/{f}" if f.endswith((".conf", ".ini")) else f for f in files],
        )
        for name, files in {
            "neutron": ["neutron.conf", "ml2_conf.ini"],
            "neutron-metadata": [
                "neutron.conf",
                "neutron_ovn_metadata_agent.ini",
                "metadata_agent.ini",
                "neutron.ml2.ovn",
            ],
            "neutron-l3": ["neutron.conf", "l3_agent.ini"],
            "neutron-dhcp": ["neutron.conf", "dhcp_agent.ini"],
            "neutron-ovs": ["neutron.conf", "openvswitch_agent.ini"],
        }.items()
    },
}
VENV = "/var/lib/kolla/venv/bin"


def main(folder: Path) -> None:
    """Write a file for each list: section -> options, deprecated names included."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (image, files) in LISTS.items():
        found: dict[str, set[str]] = {}
        with mounted(image) as root:
            for file in files:
                for section, options in _asked(root, file):
                    found.setdefault(section, set()).update(options)
        content = {section: sorted(options) for section, options in sorted(found.items())}
        (folder / f"{name}.json").write_text(json.dumps(content, indent=0, sort_keys=True) + "\n")
        print(f"{name}: {sum(map(len, content.values()))} options in {len(content)} sections")


@contextmanager
def mounted(image: str) -> Iterator[str]:
    """The root of an image's files, for the length of a block."""
    name, environment = f"{NAMESPACE}/{image}:{TAG}", engine.environment(cache() / "images")
    mount = ["podman", "image", "mount", name]
    root = subprocess.run(mount, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield root
    finally:
        subprocess.run(["podman", "image", "unmount", name], env=environment, capture_output=True, check=False)


def _asked(root: str, asked: str) -> Iterator[tuple[str, set[str]]]:
    """``oslo-config-generator``'s answer about a file or a namespace: each section with the names it takes."""
    about = "--config-file" if asked.startswith("/") else "--namespace"
    command = [f"{VENV}/oslo-config-generator", about, asked, "--format", "json", "--output-file", ""]
    done = subprocess.run(["chroot", root, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{asked}: {done.stderr[-500:]}")
    for section, about in json.loads(done.stdout)["options"].items():
        yield section, set(_names(about))


def _names(about: dict[str, Any]) -> Iterator[str]:
    for option in about["opts"]:
        yield option["name"].replace("-", "_")
        yield from (old["name"].replace("-", "_") for old in option.get("deprecated_opts", ()) if old.get("name"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else f"service_defs/options/{RELEASE}"))
