"""Set a value and get it back, at this very replica."""

import os
import socket


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    nonce = arguments["nonce"].encode()
    with socket.create_connection((os.environ["POD_IP"], arguments["port"]), timeout=5) as connection:
        stream = connection.makefile("rwb")
        stream.write(b"set kolla-k8s-gate 0 60 %d\r\n%s\r\n" % (len(nonce), nonce))
        stream.flush()
        if stream.readline() != b"STORED\r\n":
            raise SystemExit("a value was not stored")
        stream.write(b"get kolla-k8s-gate\r\n")
        stream.flush()
        stream.readline()
        if stream.readline().strip() != nonce:
            raise SystemExit("a stored value did not come back")
    return "a value was set and read back"
