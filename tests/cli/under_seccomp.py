"""Run a program that the kernel kills, or answers with an error, when it makes one given system call.

``python under_seccomp.py CALL kill|ENOSYS PROGRAM...``. The kernel's kill is a SIGKILL by other means: no handler, no
``finally`` and no exit function runs. So a test chooses the point of death without touching the program.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {
    "x86_64": {"link": 86, "renameat2": 316, "unlinkat": 263},
    "aarch64": {"link": 37, "renameat2": 276, "unlinkat": 35},
}.get(platform.machine(), {})
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main(call: str, answer: str, *program: str) -> None:
    """Install the filter and become the program."""
    verdict = _KILL if answer == "kill" else _ERROR | getattr(errno, answer)
    lines = [(_LOAD, 0, 0, 0), (_EQUAL, 0, 1, CALLS[call]), (_RETURN, 0, 0, verdict), (_RETURN, 0, 0, _ALLOW)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    library = ctypes.CDLL(None, use_errno=True)
    installed = _Program(len(lines), code)
    for asked in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _FILTER, ctypes.byref(installed), 0, 0)):
        if library.prctl(*asked) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execv(program[0], program)  # noqa: S606 - it becomes the program


if __name__ == "__main__":
    main(*sys.argv[1:])
