"""A small web app of ours, served on this machine for as long as a `with` block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

# How long ending may take to be noticed.
_POLL_S = 0.05


class _Quiet(WSGIRequestHandler):
    """HTTP/1.1, so that a client keeps its connection, and no line for every request."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """Answer on 127.0.0.1, each request in a thread of its own."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name=f"web-{port}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
