"""A source that serves one file over HTTP as it should, or misbehaves in one of the ways that were seen in the world."""

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reelkeeper.adapters.source import Source
from reelkeeper.settings import SourceSettings


class Mood(Enum):
    """What is wrong with it."""

    NO_RANGES = "answers 200 with the whole file whatever was asked"
    NO_LENGTH = "gives neither ranges nor a length, and ends with the last chunk"
    NO_VALIDATOR = "has neither an ETag nor a date"
    WEAK_ETAG = "has a weak ETag, and no date"
    SHORT = "closes before all it announced has come"
    OTHER_LENGTH = "announces another length than its range has"
    OTHER_RANGE = "answers another range than was asked"
    WHOLE_FOR_RANGE = "answers 200 where a part was asked for, but not the first time"
    GZIP = "compresses although it was asked not to"
    STALL = "stops in the middle, and keeps the connection"
    DRIP = "brings a byte now and then"
    BUSY = "answers 429 with Retry-After"
    BROKEN = "answers 500"
    EMPTY = "has a file of no bytes"
    GONE = "answers 404"


@dataclass(slots=True)
class Origin:
    """The file, what is wrong (`times` requests long, then all is well), and the ranges that were asked for so far."""

    body: bytes
    etag: str = '"first"'
    mood: Mood | None = None
    times: int = 10**6
    # The first requests are served as they should be.
    after: int = 0
    retry_after: str = "1"
    host: str = ""
    asked: list[str] = field(default_factory=list)
    served: int = 0
    at_once: int = 0
    most_at_once: int = 0
    # What the file becomes, and under which ETag, after so many requests.
    changes: list[tuple[int, bytes, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.host}/films/film.mp4?signature=secret"

    def settings(self, *, max_bytes: int = 2**31, read_s: float = 20.0) -> SourceSettings:
        """What lets a source read from here."""
        return SourceSettings(frozenset(), frozenset({self.host}), max_bytes, read_s=read_s)

    def source(self, **limits: Any) -> Source:
        """The adapter that may read from here."""
        return Source(self.settings(**limits))


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@contextmanager
def serve(body: bytes, mood: Mood | None = None) -> Iterator[Origin]:
    """Serve `body` on loopback."""
    origin = Origin(body, mood=mood)

    class Handler(_Handler):
        pass

    Handler.origin = origin
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        origin.ended.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: Origin

    def do_GET(self) -> None:
        origin = self.origin
        with origin.lock:
            origin.asked.append(self.headers.get("range", ""))
            origin.at_once += 1
            origin.most_at_once = max(origin.most_at_once, origin.at_once)
            for number, body, etag in origin.changes:
                if len(origin.asked) > number:
                    origin.body, origin.etag = body, etag
            mood = origin.mood if len(origin.asked) > origin.after and origin.times > 0 else None
            origin.times -= int(mood is not None)
        try:
            self._answer(mood)
        except OSError:
            # The other side has had enough.
            self.close_connection = True
        finally:
            with origin.lock:
                origin.at_once -= 1

    def _answer(self, mood: Mood | None) -> None:
        origin = self.origin
        refusals = {Mood.BUSY: 429, Mood.BROKEN: 500, Mood.GONE: 404}
        if mood in refusals:
            self.send_response(refusals[mood])
            if mood is Mood.BUSY:
                self.send_header("retry-after", origin.retry_after)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = b"" if mood is Mood.EMPTY else origin.body
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        same = self.headers.get("if-range") in (None, origin.etag)
        if found is None or not same or mood in (Mood.NO_RANGES, Mood.NO_LENGTH, Mood.EMPTY, Mood.WHOLE_FOR_RANGE):
            self._send(200, body, {}, mood)
            return
        if not body:
            self._send(416, b"", {"content-range": "bytes */0"}, mood)
            return
        start, end = int(found[1]), int(found[2] or len(body) - 1)
        part = body[start : end + 1]
        shown = start + 1 if mood is Mood.OTHER_RANGE else start
        self._send(206, part, {"content-range": f"bytes {shown}-{end}/{len(body)}"}, mood)

    def _send(self, status: int, body: bytes, headers: dict[str, str], mood: Mood | None) -> None:
        self.send_response(status)
        if mood is Mood.WEAK_ETAG:
            self.send_header("etag", f"W/{self.origin.etag}")
        elif mood is not Mood.NO_VALIDATOR:
            self.send_header("etag", self.origin.etag)
        if mood is Mood.GZIP:
            self.send_header("content-encoding", "gzip")
        for name, value in headers.items():
            self.send_header(name, value)
        if mood is Mood.NO_LENGTH:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(len(body) - (mood is Mood.OTHER_LENGTH)))
        self.end_headers()
        self._write(body, mood)

    def _write(self, body: bytes, mood: Mood | None) -> None:
        if mood is Mood.NO_LENGTH:
            for start in range(0, len(body), 70_000):
                piece = body[start : start + 70_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif mood in (Mood.SHORT, Mood.STALL):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if mood is Mood.STALL:
                self.origin.ended.wait(60)
            self.close_connection = True
        elif mood is Mood.DRIP:
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.origin.ended.is_set():
                    break
                time.sleep(0.05)
        else:
            self.wfile.write(body)
        with self.origin.lock:
            self.origin.served += len(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
