"""A stream of unknown length cut into parts: one is held at a time, since its length must be known before it is sent."""

from collections.abc import Iterable, Iterator

from reelkeeper.domain.errors import Refused
from reelkeeper.domain.parts import MAX_PARTS, MIB, Span


def numbered(pieces: Iterable[memoryview], length: int) -> Iterator[tuple[Span, Iterable[memoryview]]]:
    """Pieces of `length`, but for the last, as the parts they are; raises Refused for more than an upload may have."""
    for number, piece in enumerate(pieces, start=1):
        if number > MAX_PARTS:
            raise Refused(f"the source gives no length and has more than {MAX_PARTS * length // MIB} MiB; raise CopyMemoryMiB")
        yield Span(number, (number - 1) * length, len(piece)), [piece]


def cut(chunks: Iterable[memoryview], length: int) -> Iterator[memoryview]:
    """The same bytes in pieces of `length`, the last one shorter, in one buffer: each is good until the next is asked for."""
    buffer, filled = memoryview(bytearray(length)), 0
    for chunk in chunks:
        rest = chunk
        while rest:
            taken = rest[: length - filled]
            buffer[filled : filled + len(taken)] = taken
            filled += len(taken)
            rest = rest[len(taken) :]
            if filled == length:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
