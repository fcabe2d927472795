"""A door before a store that notes what passes: which headers a client really sends, with the store's own answers behind it."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Of one connection, not of the message (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: header names are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Door:
    """The address to use in place of the store's, and what went through so far."""

    address: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def before(store: str) -> Iterator[Door]:
    """Stand before the store at `http://host:port`."""
    behind = store.partition("//")[2]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            connection = http.client.HTTPConnection(behind, timeout=60)
            kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            said = answer.read()
            door.requests.append(Request(self.command, self.path, headers, answer.status))
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            length = answer.getheader("content-length") if self.command == "HEAD" else None
            self.send_header("content-length", length or str(len(said)))
            self.end_headers()
            self.wfile.write(said)
            connection.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815 - as the standard library wants them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    door = Door(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
