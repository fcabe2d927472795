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
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from reelkeeper.adapters.body import Body
from reelkeeper.adapters.guard import ForbiddenAddress, Resolve, check_url, guarded_pool, resolve
from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.parts import Span
from reelkeeper.settings import SourceSettings

_REDIRECTS = 5
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

    def __init__(self, facts: Facts, body: Body) -> None:
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

    def check_size(self, size: int, url: str) -> None:
        """Raises Refused for a file that is larger than any that is kept."""
        if size > self._settings.max_bytes:
            raise Refused(f"the source has {size} bytes, more than MaxObjectMiB allows: {redact(url)}")

    @contextmanager
    def open(self, url: str, *, confirmed: bool = False) -> Iterator[Stream]:
        """Read a source from its start; raises Refused, Gone or RetryLater, never showing the URL's query."""
        response, url = self._answer(url, {"range": "bytes=0-"}, confirmed=confirmed)
        try:
            if response.status == 416 and _EMPTY.fullmatch(response.headers.get("content-range", "")):
                raise Refused(f"the source is empty: NCA delivered a file of 0 bytes: {redact(url)}")
            _accept(response, url, (200, 206))
            facts = _facts(response, url)
            self.check_size(facts.size or 0, url)
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

    def _body(self, response: urllib3.BaseHTTPResponse, url: str) -> Body:
        return Body(response, url, self._settings, self._clock)

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
