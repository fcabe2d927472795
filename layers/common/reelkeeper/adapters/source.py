"""Reading a source: the temporary URL of an output, through the guard, redirects checked one by one.

One request tells all there is to know: a GET of `bytes=0-`, whose answer gives size, validator and whether ranges work, and
whose body is the file's beginning. What comes is checked against what was promised; nothing is ever believed for its status.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from reelkeeper.adapters.guard import ForbiddenAddress, Resolve, check_url, guarded_pool, resolve
from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.parts import Span
from reelkeeper.settings import SourceSettings

_REDIRECTS = 5
# Long enough that a chunk's way through Python costs little, short enough to stay in the processor's cache (measured: between
# 64 KiB and 4 MiB, 512 KiB to 1 MiB cost least).
CHUNK = 512 * 1024
_LONGEST_WAIT_S = 900
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_EMPTY = re.compile(r"bytes \*/0")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source says of itself: where it really lies, `size` in bytes (None: it does not say), its strong ETag or date."""

    url: str
    size: int | None
    validator: str | None
    ranged: bool


class Changed(RetryLater):
    """The source is not what it was when the copy began."""


class Busy(RetryLater):
    """The source asks for less, or for later: 429 or 503."""


class Stream:
    """A source that is being read from its start; chunks are views of one buffer, each good until the next is asked for."""

    def __init__(self, facts: Facts, body: "_Body") -> None:
        self.facts = facts
        self._body = body

    def take(self, length: int) -> Iterator[memoryview]:
        """Exactly the next `length` bytes, or RetryLater."""
        return self._body.take(length)

    def rest(self) -> Iterator[memoryview]:
        """All that is left of a source that did not tell its size."""
        return self._body.rest()


class Source:
    """All sources, within the guard's limits."""

    def __init__(
        self,
        settings: SourceSettings,
        *,
        width: int = 8,
        resolver: Resolve = resolve,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._pool = guarded_pool(settings, width=width, resolver=resolver)
        self._clock = clock

    def check(self, url: str, *, confirmed: bool = False) -> None:
        """Raises Refused for a URL that may not be read, by us or by the store for us."""
        check_url(url, self._settings, confirmed=confirmed)

    @contextmanager
    def open(self, url: str, *, confirmed: bool = False) -> Iterator[Stream]:
        """Read a source from its start; raises Refused, Gone or RetryLater, never showing the URL's query."""
        response, url = self._answer(url, {"range": "bytes=0-"}, confirmed=confirmed)
        try:
            if response.status == 416 and _EMPTY.fullmatch(response.headers.get("content-range", "")):
                raise Refused(f"the source is empty: NCA delivered a file of 0 bytes: {redact(url)}")
            _accept(response, url, (200, 206))
            facts = _facts(response, url)
            if facts.size is not None and facts.size > self._settings.max_bytes:
                raise Refused(f"the source has {facts.size} bytes, more than MaxObjectMiB allows: {redact(url)}")
            yield Stream(facts, self._body(response, url))
        finally:
            _end(response)

    @contextmanager
    def range(self, facts: Facts, span: Span, *, confirmed: bool = False) -> Iterator[Iterator[memoryview]]:
        """Read one part of a source that has a validator; raises Changed where it is not the same file any more."""
        last = span.start + span.length - 1
        asked = {"range": f"bytes={span.start}-{last}", "if-range": facts.validator or ""}
        response, url = self._answer(facts.url, asked, confirmed=confirmed)
        try:
            _accept(response, url, (200, 206, 412, 416))
            if response.status != 206 or _validator(response) not in (None, facts.validator):
                raise Changed(f"the source changed while it was copied: {redact(url)}")
            if response.headers.get("content-range") != f"bytes {span.start}-{last}/{facts.size}":
                raise Changed(f"the source gave another range than bytes {span.start}-{last}/{facts.size}: {redact(url)}")
            if _length(response, url) not in (None, span.length):
                raise RetryLater(f"the source gives another length than its range has: {redact(url)}")
            yield self._body(response, url).take(span.length)
        finally:
            _end(response)

    def _body(self, response: urllib3.BaseHTTPResponse, url: str) -> "_Body":
        return _Body(response, url, self._settings, self._clock)

    def _answer(self, url: str, asked: dict[str, str], *, confirmed: bool) -> tuple[urllib3.BaseHTTPResponse, str]:
        for _ in range(_REDIRECTS + 1):
            check_url(url, self._settings, confirmed=confirmed)
            headers = {"accept-encoding": "identity", **{name: value for name, value in asked.items() if value}}
            try:
                response = self._pool.request("GET", url, preload_content=False, redirect=False, headers=headers)
            except ForbiddenAddress as error:
                raise Refused(f"{error}: {redact(url)}") from error
            except (HTTPError, OSError) as error:
                raise RetryLater(f"the source did not answer ({type(error).__name__}): {redact(url)}") from error
            if response.status not in (301, 302, 303, 307, 308):
                return response, url
            _end(response)
            url = urljoin(url, response.headers.get("location", ""))
        raise Refused(f"the source redirects more than {_REDIRECTS} times: {redact(url)}")


class _Body:
    """A body on its way: chunk by chunk into one buffer, with an eye on the clock."""

    def __init__(
        self, response: urllib3.BaseHTTPResponse, url: str, settings: SourceSettings, clock: Callable[[], float]
    ) -> None:
        self._response = response
        # http.client's own response reads into a buffer that is there already; urllib3's makes new bytes each time.
        raw: Any = response
        self._raw: HTTPResponse = raw._fp
        self._url = url
        self._settings = settings
        self._clock = clock
        self._got = 0
        self._waited_s, self._since = 0.0, 0

    def take(self, length: int) -> Iterator[memoryview]:
        view = memoryview(bytearray(min(CHUNK, length)))
        end = self._got + length
        while self._got < end:
            chunk = self._fill(view[: end - self._got])
            if not chunk:
                raise RetryLater(f"the source broke off after {self._got} bytes of {end}: {redact(self._url)}")
            yield chunk

    def rest(self) -> Iterator[memoryview]:
        view = memoryview(bytearray(CHUNK))
        while chunk := self._fill(view):
            if self._got > self._settings.max_bytes:
                raise Refused(f"the source is larger than MaxObjectMiB allows: {redact(self._url)}")
            yield chunk

    def _fill(self, view: memoryview) -> memoryview:
        """The next bytes, as many as the view holds unless the body ends before; a source that only drips is given up."""
        filled = 0
        try:
            while filled < len(view):
                began = self._clock()
                count = self._read(view[filled:])
                self._waited_s += self._clock() - began
                if not count:
                    break
                filled += count
                self._got += count
                self._watch()
        except (HTTPError, OSError, ValueError) as error:
            raise RetryLater(
                f"the source broke off after {self._got} bytes ({type(error).__name__}): {redact(self._url)}"
            ) from error
        return view[:filled]

    def _read(self, view: memoryview) -> int:
        """One read of the socket at most, so that no single call can outlast the clock."""
        raw = self._raw
        if raw.chunked:
            chunk = self._response.read1(len(view), decode_content=False)
            view[: len(chunk)] = chunk
            return len(chunk)
        if raw.fp is None:
            return 0
        count = raw.fp.readinto1(view if raw.length is None else view[: raw.length])
        if raw.length is not None:
            raw.length -= count
            if not raw.length:
                raw.close()
        return count

    def _watch(self) -> None:
        """Time that the receiver takes is not the source's: only waiting counts."""
        if self._waited_s < self._settings.read_s:
            return
        if (self._got - self._since) / self._waited_s < self._settings.slowest_bps:
            raise RetryLater(
                f"the source only drips, {self._got - self._since} bytes in {self._waited_s:.0f} s: {redact(self._url)}"
            )
        self._waited_s, self._since = 0.0, self._got


def _end(response: urllib3.BaseHTTPResponse) -> None:
    """Keep the connection for the next part, unless something is left on it that nobody will read."""
    if response.closed:
        response.release_conn()
    else:
        response.close()


def _facts(response: urllib3.BaseHTTPResponse, url: str) -> Facts:
    validator = _validator(response)
    if response.status == 200:
        return Facts(url, _length(response, url), validator, ranged=False)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or found[1] != "0" or int(found[2]) + 1 != int(found[3]):
        raise RetryLater(f"the source gives no sensible range: {redact(url)}")
    size = int(found[3])
    if _length(response, url) not in (None, size):
        raise RetryLater(f"the source gives another length than its range has: {redact(url)}")
    # Without a validator two ranges may be of two files.
    return Facts(url, size, validator, ranged=validator is not None)


def _validator(response: urllib3.BaseHTTPResponse) -> str | None:
    """A strong ETag, or the date; a weak ETag only promises a file that means the same (RFC 9110, 8.8.1)."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified")


def _accept(response: urllib3.BaseHTTPResponse, url: str, expected: tuple[int, ...]) -> None:
    status = response.status
    if status in expected:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Refused(f"the source answers compressed although it was asked not to: {redact(url)}")
        return
    if status in (408, 425, 429) or status >= 500:
        wait = response.headers.get("retry-after", "")
        delay = timedelta(seconds=min(int(wait), _LONGEST_WAIT_S)) if wait.isdecimal() else None
        raise (Busy if status in (429, 503) else RetryLater)(f"the source answers {status}: {redact(url)}", delay=delay)
    # 403 and 404 on a URL that NCA itself named: deleted, expired, or not readable yet.
    raise Gone(f"the source answers {status}: {redact(url)}")


def _length(response: urllib3.BaseHTTPResponse, url: str) -> int | None:
    text = response.headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal():
        raise RetryLater(f"the source gives no sensible length: {redact(url)}")
    return int(text)
