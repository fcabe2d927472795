"""Where NCA's files come from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelkeeper.adapters.source import Facts, Source, Stream
from reelkeeper.domain.errors import Gone


class FakeStream(Stream):
    """Bytes that come as they are asked for."""

    def __init__(self, url: str, body: bytes) -> None:
        self.facts = Facts(url, len(body), None, ranged=False)
        self._left = body

    def take(self, length: int) -> Iterator[memoryview]:
        taken, self._left = self._left[:length], self._left[length:]
        yield memoryview(taken)


class FakeSource(Source):
    """What each URL gives: bytes, or the error it raises; `reads` are the URLs that were opened, in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | Exception] = {}
        self.reads: list[str] = []
        # Called while a source is open: where a test lets something happen during a copy.
        self.on_read: Callable[[str], None] = lambda _: None

    def check(self, url: str, *, confirmed: bool = False) -> None:
        """Every URL may be read here; the guard has tests of its own."""

    @contextmanager
    def open(self, url: str, *, confirmed: bool = False) -> Iterator[Stream]:
        self.reads.append(url)
        found = self.files.get(url, Gone(f"the source answers 404: {url}"))
        if isinstance(found, Exception):
            raise found
        self.on_read(url)
        yield FakeStream(url, found)
