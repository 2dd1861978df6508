"""What Horizon's gate makes of a page and its files."""

from __future__ import annotations

import importlib.util
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "horizon.py"
spec = importlib.util.spec_from_file_location("horizon_gate", GATE)
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)

PAGE = (
    '<link rel="shortcut icon" href="/favicon.ico"/><link rel="stylesheet" href="/static/a.css?v=1"/>'
    '<script src="/static/a.js"></script><script>inline()</script><script src="https://elsewhere/x.js"></script>'
)
GOOD = {
    "/login": (200, "text/html", PAGE),
    "/static/a.css": (200, "text/css", "a {}"),
    "/static/a.js": (200, "text/javascript", "a()"),
}


def checked(files):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, kind, body = files.get(self.path, (404, "text/html", "not here"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if kind:
                self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            return gate.check({"address": "127.0.0.1", "port": server.server_address[1], "path": "/login"})
        finally:
            server.shutdown()
            thread.join()


def test_page_with_all_its_files_is_green():
    """
    What lies on other servers is not this one's.
    """
    assert "/login and its 2 files answered" == checked(GOOD)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"/login": (500, "text/html", "")}, "GET /login: 500"),
        ({"/login": (200, "text/html", "<p>hello</p>")}, "GET /login: names no style sheet and no script"),
        ({"/static/a.js": (404, "text/html", "no")}, "GET /static/a.js, which /login names: 404, 2 bytes"),
        ({"/static/a.css": (200, "text/css", "")}, "GET /static/a.css, which /login names: 200, 0 bytes"),
        ({"/static/a.css": (200, "", "a {}")}, "GET /static/a.css: is of no type, and browsers refuse that"),
    ],
)
def test_page_that_a_browser_would_not_show_whole_is_red(change, words):
    """
    With the file and what came instead.
    """
    with pytest.raises(SystemExit) as ended:
        checked({**GOOD, **change})

    assert words == str(ended.value)
