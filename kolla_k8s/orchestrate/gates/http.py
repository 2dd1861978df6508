"""A path of this very replica gives the status that is wanted."""

import http.client


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    path, wanted = arguments["path"], arguments["status"]
    connection = http.client.HTTPConnection(arguments["address"], arguments["port"], timeout=30)
    connection.request("GET", path)
    status = connection.getresponse().status
    if status != wanted:
        raise SystemExit(f"GET {path}: {status}, not {wanted}")
    return f"GET {path}: {status}"
