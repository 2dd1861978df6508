"""What is asked of processes that were started in the background."""

from __future__ import annotations

import os
import socket

from sandbox.processes import listens


def test_port_of_a_process_is_open_while_somebody_listens():
    """
    A socket that is only bound takes no connection.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]

        assert not listens(os.getpid(), port)
        one.listen()
        assert listens(os.getpid(), port)
