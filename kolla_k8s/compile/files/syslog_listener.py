"""Write to stdout what programs say to syslog, for those that know no other way: a record is one datagram.

``<30>Nov 28 17:00:00 dnsmasq[7]: started``: its number is eight times the facility and the severity (RFC 3164, 4.1).
"""

import re
import signal
import socket
import sys
from pathlib import Path

SEVERITIES = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")
LONGEST = 64 * 1024


def line(record):
    r"""One line of a record, its severity first; what a guest could write into it stays on that line.

    >>> line(b"<30>Nov 28 17:00:00 dnsmasq[7]: started\n\0")
    'INFO Nov 28 17:00:00 dnsmasq[7]: started'
    >>> line(b"no number\n\x1b[2Jnor a \xff name")
    'NOTICE no number\\n\\x1b[2Jnor a \\xff name'
    """
    text = record.rstrip(b"\n\0").decode(errors="backslashreplace")
    found = re.match(r"<(\d{1,3})>", text)
    severity = SEVERITIES[int(found[1]) % 8] if found else "NOTICE"
    said = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[found.end() if found else 0 :])
    return f"{severity} {said}"


def main(path):
    """Listen at ``path`` until told to end; whoever listened there before has gone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(path))
        path.chmod(0o666)  # programs that gave up their rights speak too
        while True:
            print(line(ours.recv(LONGEST)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
