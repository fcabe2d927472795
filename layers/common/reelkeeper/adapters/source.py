"""Reading a source: the temporary URL of an output, through the guard, redirects checked one by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from reelkeeper.adapters.guard import ForbiddenAddress, Resolve, check_url, guarded_pool, resolve
from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.settings import MIB, SourceSettings

_REDIRECTS = 5
_CHUNK = MIB
_LONGEST_WAIT_S = 900


@dataclass(frozen=True, slots=True)
class Stream:
    """A source that is being read: `size` in bytes where it says so."""

    size: int | None
    chunks: Iterator[bytes]


class Source:
    """All sources, within the guard's limits."""

    def __init__(self, settings: SourceSettings, *, width: int = 8, resolver: Resolve = resolve) -> None:
        self._settings = settings
        self._pool = guarded_pool(settings, width=width, resolver=resolver)

    @contextmanager
    def open(self, url: str, *, confirmed: bool = False) -> Iterator[Stream]:
        """Read a source from its start; raises Refused, Gone or RetryLater, never showing the URL's query."""
        response = self._answer(url, confirmed=confirmed)
        try:
            size = _size(response, url)
            if size is not None and size > self._settings.max_bytes:
                raise Refused(f"the source has {size} bytes, more than MaxObjectMiB allows: {redact(url)}")
            yield Stream(size, self._chunks(response, size, url))
        finally:
            # A body not read to its end leaves a connection nobody can use again.
            response.close()

    def _chunks(self, response: urllib3.BaseHTTPResponse, size: int | None, url: str) -> Iterator[bytes]:
        got = 0
        try:
            for chunk in response.stream(_CHUNK, decode_content=False):
                got += len(chunk)
                if got > self._settings.max_bytes:
                    raise Refused(f"the source is larger than MaxObjectMiB allows: {redact(url)}")
                yield chunk
        except (HTTPError, OSError) as error:
            raise RetryLater(f"the source broke off after {got} bytes: {redact(url)}") from error
        if size is not None and got != size:
            raise RetryLater(f"the source gave {got} of {size} bytes: {redact(url)}")

    def _answer(self, url: str, *, confirmed: bool) -> urllib3.BaseHTTPResponse:
        for _ in range(_REDIRECTS + 1):
            check_url(url, self._settings, confirmed=confirmed)
            try:
                response = self._pool.request(
                    "GET", url, preload_content=False, redirect=False, headers={"accept-encoding": "identity"}
                )
            except ForbiddenAddress as error:
                raise Refused(f"{error}: {redact(url)}") from error
            except (HTTPError, OSError) as error:
                raise RetryLater(f"the source did not answer ({type(error).__name__}): {redact(url)}") from error
            if response.status not in (301, 302, 303, 307, 308):
                return _accepted(response, url)
            response.close()
            url = urljoin(url, response.headers.get("location", ""))
        raise Refused(f"the source redirects more than {_REDIRECTS} times: {redact(url)}")


def _accepted(response: urllib3.BaseHTTPResponse, url: str) -> urllib3.BaseHTTPResponse:
    status = response.status
    if status == 200 and response.headers.get("content-encoding", "identity") == "identity":
        return response
    response.close()
    if status == 200:
        raise Refused(f"the source answers compressed although it was asked not to: {redact(url)}")
    if status in (429, 503) or status >= 500:
        wait = response.headers.get("retry-after", "")
        delay = timedelta(seconds=min(int(wait), _LONGEST_WAIT_S)) if wait.isdecimal() else None
        raise RetryLater(f"the source answers {status}: {redact(url)}", delay=delay)
    # 403 and 404 on a URL that NCA itself named: deleted, expired, or not readable yet.
    raise Gone(f"the source answers {status}: {redact(url)}")


def _size(response: urllib3.BaseHTTPResponse, url: str) -> int | None:
    text = response.headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal():
        raise RetryLater(f"the source gives no sensible length: {redact(url)}")
    return int(text)
