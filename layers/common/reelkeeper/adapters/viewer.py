"""The viewer: anybody on the internet who opens a permanent address, without keys, without a name."""

from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from reelkeeper.domain.errors import RetryLater

# A sweep has minutes for hundreds of looks, and what does not answer in this time plays for nobody.
_TIMEOUT = urllib3.Timeout(connect=3.0, read=10.0)
_REDIRECTS = 3
# What a player asks for first.
_RANGE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What the address answered: size in bytes where it says so, and whether it gives a part when asked for one."""

    status: int
    content_type: str
    size: int | None
    gives_ranges: bool


class Viewer:
    """Asks as a browser does: first HEAD, then the range a player begins with."""

    def __init__(self, *, width: int = 8) -> None:
        retries = urllib3.Retry(total=_REDIRECTS, redirect=_REDIRECTS, connect=1, read=0, status=0, raise_on_redirect=False)
        self._pool = urllib3.PoolManager(num_pools=4, maxsize=width, timeout=_TIMEOUT, retries=retries)

    def look(self, url: str) -> Seen:
        """What a viewer gets to see; raises RetryLater where nothing answers, or the other side is in trouble."""
        head = self._ask("HEAD", url)
        size = head.headers.get("content-length", "")
        wanted = min(int(size), _RANGE_BYTES) if size.isdecimal() else _RANGE_BYTES
        part = self._ask("GET", url, {"range": f"bytes=0-{wanted - 1}"}) if head.status == 200 and wanted else None
        return Seen(
            status=head.status,
            content_type=head.headers.get("content-type", ""),
            size=int(size) if size.isdecimal() else None,
            gives_ranges=part is not None and _is_range(part, wanted, size),
        )

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        try:
            answer = self._pool.request(
                method, url, headers={"accept-encoding": "identity", **(headers or {})}, preload_content=False
            )
            # Whatever does not keep to the range asked for is not read to its end.
            answer.read(_RANGE_BYTES)
            answer.close()
        except (HTTPError, OSError) as error:
            raise RetryLater(f"the permanent address did not answer: {type(error).__name__}") from error
        if answer.status == 429 or answer.status >= 500:
            raise RetryLater(f"the permanent address answers {answer.status}")
        return answer


def _is_range(part: urllib3.BaseHTTPResponse, wanted: int, size: str) -> bool:
    return part.status == 206 and part.headers.get("content-range", "") == f"bytes 0-{wanted - 1}/{size}"
