"""The login page answers, and so does each style sheet and script that it names: a browser would show it whole."""

import http.client
from html.parser import HTMLParser
from urllib.parse import urlsplit

KINDS = {"css": "text/css", "js": "javascript"}


class Files(HTMLParser):
    """Paths of the style sheets and scripts of a page that this server is to give."""

    def __init__(self):
        super().__init__()
        self.paths = []

    def handle_starttag(self, tag, attrs):
        """Keep what a browser would load."""
        said = dict(attrs)
        is_style = tag == "link" and "stylesheet" in (said.get("rel") or "")
        url = urlsplit((said.get("href") if is_style else said.get("src") if tag == "script" else "") or "")
        if url.path and not url.netloc:
            self.paths.append(url.path)


def get(address, port, path):
    """One request as a browser sends it; gives status, type and body."""
    connection = http.client.HTTPConnection(address, port, timeout=30)
    connection.request("GET", path, headers={"Host": "localhost"})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type") or "", answer.read()


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    address, port, path = arguments["address"], arguments["port"], arguments["path"]
    status, _, body = get(address, port, path)
    if status != 200:
        raise SystemExit(f"GET {path}: {status}")
    page = Files()
    page.feed(body.decode())
    if not page.paths:
        raise SystemExit(f"GET {path}: names no style sheet and no script")
    for file in page.paths:
        status, kind, body = get(address, port, file)
        if status != 200 or not body:
            raise SystemExit(f"GET {file}, which {path} names: {status}, {len(body)} bytes")
        wanted = KINDS.get(file.rpartition(".")[2], "")
        if wanted not in kind:
            raise SystemExit(f"GET {file}: is {kind or 'of no type'}, and browsers refuse that")
    return f"{path} and its {len(page.paths)} files answered"
