"""A source that counts the bytes it gives, whether or not anybody lives to use them; each connection has a pace of its own."""

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MIB = 2**20
# What a socket holds on its way, on this side and on the other: given, but never read.
ON_THE_WAY = 8 * MIB
_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(slots=True)
class Counted:
    """Where the file is, and how many of its bytes have been given so far."""

    address: str
    given: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gave(self, count: int) -> None:
        with self.lock:
            self.given += count


@contextmanager
def serve(file: Path, *, chance: random.Random, mib_a_second: tuple[float, float]) -> Iterator[Counted]:
    """Serve one file with ranges and an ETag; a connection's pace lies between the two MiB a second."""
    size = file.stat().st_size

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # So that what the operating system holds for a reader that died is little, and what is counted was nearly read.
        wbufsize = 0

        def handle(self) -> None:
            # Whoever asked may be dead.
            with suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            found = _RANGE.fullmatch(self.headers.get("range", ""))
            start, end = (int(found[1]), int(found[2] or size - 1)) if found else (0, size - 1)
            self.send_response(206 if found else 200)
            self.send_header("content-type", "video/mp4")
            self.send_header("etag", '"one-and-the-same"')
            self.send_header("accept-ranges", "bytes")
            self.send_header("content-length", str(end - start + 1))
            if found:
                self.send_header("content-range", f"bytes {start}-{end}/{size}")
            self.end_headers()
            self._give(start, end)

        def _give(self, start: int, end: int) -> None:
            pause_s = _PIECE / MIB / chance.uniform(*mib_a_second)
            with file.open("rb") as opened:
                place = start
                while place <= end:
                    opened.seek(place)
                    try:
                        self.connection.sendfile(opened, place, min(_PIECE, end - place + 1))
                    finally:
                        # Right after an error, too (Python, "socket.sendfile").
                        counted.gave(opened.tell() - place)
                    place = opened.tell()
                    time.sleep(pause_s)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    counted = Counted(f"http://127.0.0.1:{server.server_port}/film.mp4")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
