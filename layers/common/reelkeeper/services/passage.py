"""One file's passage from its source into the bucket: planned by what the source says of itself, checked to the byte.

Small files go in one conditional request. Large ones go in parts, over several connections at once where the source gives
ranges; a part passes through in chunks and is never held whole. What lies in the store already is copied by the store.
Nothing is visible under the key before it is whole.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from urllib.parse import urlsplit

from reelkeeper.adapters.bucket import Bucket, Stored
from reelkeeper.adapters.source import Busy, Changed, Source, Stream
from reelkeeper.adapters.verdicts import Conflict, Missing, Spoiled, Taken, Throttled
from reelkeeper.domain.callback import redact
from reelkeeper.domain.checkpoint import Saved
from reelkeeper.domain.errors import Different, Refused, RetryLater, Unfinished
from reelkeeper.domain.kept import Kept, Way, Work
from reelkeeper.domain.parts import MIB, SMALLEST_PART, Span, plan, spans
from reelkeeper.domain.stores import Place
from reelkeeper.services.lanes import Send, move
from reelkeeper.services.pieces import cut, numbered
from reelkeeper.services.putting import put, verified
from reelkeeper.services.shipment import BY_THE_STORE, Checkpoint, Progress, Shipment, begin, resume
from reelkeeper.services.traffic import TimeIsUp, Traffic

# One request is quicker than the four that an upload takes, and has nothing to resume.
_SMALL = 16 * MIB
_COPIED_PART = 64 * MIB
# A host that asks for a longer rest than this is asked again by a later run.
_LONGEST_REST_S = 30.0
_STORE = "the store itself"
ANEW = (Changed, Conflict, Missing, Spoiled)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the copies of a process share; `memory` in bytes, and the size up to which the store copies in one request."""

    source: Source
    bucket: Bucket
    traffic: Traffic
    memory: int
    copied_whole: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be copied where: the arguments of `Copier.copy`."""

    url: str
    key: str
    name: str
    confirmed: bool
    checkpoint: Checkpoint | None
    left_s: Callable[[], float]
    progress: Progress

    def __str__(self) -> str:
        return f"{redact(self.url)} to {self.key}"


class Passage:
    """One try at a wish; what it leaves behind is in the store, and in the checkpoint."""

    def __init__(self, tools: Tools, wish: Wish) -> None:
        self._source, self._bucket, self._traffic, self._memory = tools.source, tools.bucket, tools.traffic, tools.memory
        self._copied_whole = tools.copied_whole
        self._wish = wish
        self._host = urlsplit(wish.url).hostname or ""
        self._lock = threading.Lock()
        self._read = self._retries = 0

    def run(self) -> Kept:
        """Bring the file into the bucket; raises one of ANEW where it is worth to begin anew."""
        place = self._bucket.neighbour(self._wish.url)
        known = self._bucket.look(place) if place is not None else None
        kept = self._by_the_store(place, known) if place is not None and known is not None else None
        return kept or self._through_here()

    def _through_here(self) -> Kept:
        with ExitStack() as opened:
            opened.enter_context(self._traffic.lane(self._host, self._wish.left_s))
            stream = opened.enter_context(self._source.open(self._wish.url, confirmed=self._wish.confirmed))
            size = stream.facts.size
            if size is None:
                return self._unsized(stream)
            if size <= min(_SMALL, self._memory // 4):
                with self._traffic.room(size, self._wish.left_s):
                    return self._small(stream, size)
            if stream.facts.ranged:
                return self._ranged(stream, size, opened)
            return self._streamed(stream, size)

    def _small(self, stream: Stream, size: int) -> Kept:
        body, filled = bytearray(size), 0
        for chunk in self._counted(stream.take(size)):
            body[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return put(self._bucket, self._wish.key, body, name=self._wish.name)

    def _ranged(self, stream: Stream, size: int, opened: ExitStack) -> Kept:
        facts = stream.facts
        shipment = self._shipment(facts.validator or "", size)
        if isinstance(shipment, Kept):
            return shipment
        missing = shipment.missing()

        def opening(span: Span) -> None:
            with opened:
                self._send(shipment, span, self._counted(stream.take(span.length)))

        def send(span: Span) -> None:
            lane = self._traffic.lane(self._host, self._wish.left_s)
            with lane, self._source.range(facts, span, confirmed=self._wish.confirmed) as chunks:
                self._send(shipment, span, self._counted(chunks))

        # What has been opened is the file's beginning; where the store has that already, nobody needs it.
        begins = bool(missing) and missing[0].start == 0
        if not begins:
            opened.close()
        self._move(shipment, missing, send, opening=opening if begins else None)
        return shipment.complete(self._work("parts", shipment.before, len(missing)))

    def _streamed(self, stream: Stream, size: int) -> Kept:
        """A source without ranges, or that cannot prove that two of them are of one file: its parts one after another."""
        part_bytes = plan(size, width=1, left_s=self._wish.left_s()).part_bytes
        return self._in_a_row(size, ((span, stream.take(span.length)) for span in spans(size, part_bytes)))

    def _unsized(self, stream: Stream) -> Kept:
        """A source that does not say how long it is: a part's length must be known before it is sent, so that one is held."""
        part_bytes = min(_COPIED_PART, max(SMALLEST_PART, self._memory // 4))
        with self._traffic.room(part_bytes, self._wish.left_s):
            pieces = cut(self._counted(stream.rest()), part_bytes)
            first = next(pieces, memoryview(b""))
            if len(first) < part_bytes:
                return put(self._bucket, self._wish.key, bytes(first), name=self._wish.name)
            return self._in_a_row(0, numbered(chain([first], pieces), part_bytes))

    def _in_a_row(self, size: int, parts: Iterable[tuple[Span, Iterable[memoryview]]]) -> Kept:
        wanted = Saved(self._wish.key, "", "", size, 0)
        shipment = begin(self._bucket, wanted, name=self._wish.name, told=self._wish.progress)
        try:
            for span, chunks in parts:
                self._send(shipment, span, self._counted(chunks) if size else chunks)
        except TimeIsUp:
            shipment.abandon()
            raise RetryLater(f"the source gives no ranges to go on from, and was too slow for one run: {self._wish}") from None
        except (RetryLater, Refused, Missing):
            shipment.abandon()
            raise
        return shipment.complete(self._work("stream", 0, 1))

    def _by_the_store(self, place: Place, known: Stored) -> Kept | None:
        """Have the store copy what lies in it, without a byte through here; None where it declines, for whatever reason."""
        key, name = self._wish.key, self._wish.name
        self._source.check_size(known.size, self._wish.url)
        try:
            if known.size > self._copied_whole:
                return self._by_the_store_in_parts(place, known)
            if known.size == 0 or self._bucket.head(key) is not None:
                return None
            self._bucket.copy(place, known, key, name=name)
            return verified(self._bucket, key, known.size, None, self._work("server-side", 0, 1))
        except (Throttled, Unfinished):
            raise
        except (RetryLater, *ANEW, Taken, TimeIsUp):
            return None

    def _by_the_store_in_parts(self, place: Place, known: Stored) -> Kept:
        shipment = self._shipment(BY_THE_STORE + known.etag, known.size, shortest=_COPIED_PART)
        if isinstance(shipment, Kept):
            return shipment
        missing = shipment.missing()

        def send(span: Span) -> None:
            with self._traffic.lane(_STORE, self._wish.left_s):
                shipment.note(shipment.upload.copy(span, place, known.etag))

        self._move(shipment, missing, send)
        return shipment.complete(self._work("server-side", shipment.before, len(missing)))

    def _shipment(self, validator: str, size: int, *, shortest: int = SMALLEST_PART) -> Shipment | Kept:
        """The upload that an earlier run began for this very file, or a new one."""
        wish = self._wish
        part_bytes = max(shortest, plan(size, width=self._traffic.width, left_s=wish.left_s()).part_bytes)
        wanted = Saved(wish.key, "", validator, size, part_bytes)
        found = resume(self._bucket, wanted, checkpoint=wish.checkpoint, told=wish.progress)
        if found is not None:
            return found
        there = self._bucket.head(wish.key)
        if there is not None and there.size != size:
            # Found out now, it costs no byte.
            raise Different(f"another file of {there.size} bytes is under {wish.key} already, and stays; this one has {size}")
        return begin(self._bucket, wanted, name=wish.name, checkpoint=wish.checkpoint, told=wish.progress)

    def _move(self, shipment: Shipment, missing: list[Span], send: Send, *, opening: Send | None = None) -> None:
        """Send what is missing; whatever stops it leaves an upload to go on with, or none at all."""
        width = self._traffic.width
        try:
            move(missing, send, width=width, failed=self._failed, opening=opening)
        except (*ANEW, Refused, Taken):
            shipment.abandon()
            raise
        except (RetryLater, TimeIsUp) as error:
            if self._wish.checkpoint is None:
                shipment.abandon()
            why = error.reason if isinstance(error, RetryLater) else "no time was left"
            delay = error.delay if isinstance(error, RetryLater) else timedelta()
            # Whose time is up was not at fault, and who came further is not to be counted as tried in vain.
            reason = f"{why}; the copy stopped: {self._wish}"
            if shipment.advanced or isinstance(error, TimeIsUp):
                raise Unfinished(reason, delay=delay, read=self._read, retries=self._retries) from error
            raise RetryLater(reason, delay=delay) from error

    def _send(self, shipment: Shipment, span: Span, chunks: Iterable[memoryview]) -> None:
        shipment.note(shipment.upload.send(span, chunks))

    def _failed(self, error: RetryLater) -> float:
        """A part came to nothing: how long to wait before it is sent again; raises the error where that is too long."""
        delay_s = error.delay.total_seconds() if error.delay is not None else 0.0
        if isinstance(error, Busy | Throttled):
            self._traffic.slow(self._host, delay_s)
        if isinstance(error, Changed) or delay_s > _LONGEST_REST_S or delay_s >= self._wish.left_s():
            raise error
        with self._lock:
            self._retries += 1
        return delay_s

    def _counted(self, chunks: Iterable[memoryview]) -> Iterator[memoryview]:
        """The chunks as they are, until the time is over."""
        read = 0
        try:
            for chunk in chunks:
                read += len(chunk)
                if self._wish.left_s() <= 0:
                    raise TimeIsUp
                yield chunk
        finally:
            with self._lock:
                self._read += read

    def _work(self, way: Way, before: int, parts: int) -> Work:
        width = min(self._traffic.width, max(parts, 1))
        return Work(way, read=self._read, kept_before=before, width=width, retries=self._retries)
