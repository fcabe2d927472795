"""A door before a store that notes what passes: which headers a client really sends, with the store's own answers behind it."""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
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


@dataclass(slots=True)
class Door:
    """The address to use in place of the store's, and what went through so far.

    `refuse` may answer a request (method and target) in the store's stead, with a status and an error code, and so may `lacks`,
    which sees its headers; `mute` says whether the store does what it is asked and the client hears 500; `spoil` may change a
    body on its way in.
    """

    address: str
    requests: list[Request] = field(default_factory=list)
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda _method, _target: None
    lacks: Callable[[Mapping[str, str]], tuple[int, str] | None] = lambda _headers: None
    mute: Callable[[str, str], bool] = lambda _method, _target: False
    spoil: Callable[[str, str, bytes], bytes] = lambda _method, _target, body: body


def as_b2(headers: Mapping[str, str]) -> tuple[int, str] | None:
    """What Backblaze B2 does not know, with its codes (as reported in 2025 and 2026; see docs/storage.md)."""
    if any("x-amz-checksum" in name or name in ("x-amz-sdk-checksum-algorithm", "x-amz-trailer") for name in headers):
        return 400, "InvalidArgument"
    if "content-length" in headers and "if-none-match" in headers:
        return 501, "NotImplemented"
    return None


@contextmanager
def before(store: str) -> Iterator[Door]:
    """Stand before the store at `http://host:port`."""
    behind = store.partition("//")[2]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = door.spoil(self.command, self.path, _body(self))
            headers = {name.lower(): value for name, value in self.headers.items()}
            refused = door.refuse(self.command, self.path) or door.lacks(headers)
            if refused is not None:
                status, code = refused
                door.requests.append(Request(self.command, self.path, headers, status))
                self.answer(status, [], f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode())
                return
            connection = http.client.HTTPConnection(behind, timeout=60)
            kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP | {"content-length"}}
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            said = answer.read()
            door.requests.append(Request(self.command, self.path, headers, answer.status))
            if door.mute(self.command, self.path):
                self.answer(500, [], b"<Error><Code>InternalError</Code></Error>")
            else:
                self.answer(answer.status, answer.getheaders(), said)
            connection.close()

        def answer(self, status: int, headers: list[tuple[str, str]], said: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
            self.send_header("content-length", length or str(len(said)))
            self.end_headers()
            self.wfile.write(said)

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


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("transfer-encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("content-length", 0)))
    whole = b""
    while size := int(request.rfile.readline(), 16):
        whole += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return whole
