"""A body on its way from a source: chunk by chunk into one buffer, counted, and with an eye on the clock."""

from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.settings import SourceSettings

# Long enough that a chunk's way through Python costs little, short enough to stay in the processor's cache (measured: between
# 64 KiB and 4 MiB, 512 KiB to 1 MiB cost least).
CHUNK = 512 * 1024


class Body:
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
