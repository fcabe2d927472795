"""An object in the bucket as bytes that can be asked for in any order: fetched by ranges, some kept, none more than allowed."""

from collections import OrderedDict

from reelkeeper.domain.wholeness import Read

KIB = 1024
BLOCK = 64 * KIB
# What is read on and on is fetched in ever larger pieces, up to so many blocks at once; so many are kept, or two such pieces.
READ_AHEAD, KEPT = 16, 64


class UsedUp(Exception):
    """As much of the object was fetched as may be."""


class Ranges:
    """One object of `size` bytes; `fetched` counts what came over the network, and never exceeds `most_bytes`."""

    def __init__(self, fetch: Read, size: int, *, most_bytes: int, read_ahead: int = READ_AHEAD) -> None:
        self._fetch, self._most, self._read_ahead = fetch, most_bytes, read_ahead
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._run = -1, 1
        self.size = size
        self.fetched = 0

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start` on, fewer at the end of the object; raises UsedUp, and what the bucket raises."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        first, last = start // BLOCK, (end - 1) // BLOCK
        whole = b"".join(self._block(number) for number in range(first, last + 1))
        return whole[start - first * BLOCK : end - first * BLOCK]

    def serve(self, start: int, length: int) -> bytes | None:
        """As `read`, and None in place of UsedUp."""
        try:
            return self.read(start, length)
        except UsedUp:
            return None

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._load(number)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _load(self, number: int) -> None:
        self._run = min(self._run * 2, self._read_ahead) if number == self._next else 1
        start = number * BLOCK
        length = min(self._run * BLOCK, self.size - start)
        if self.fetched + length > self._most:
            raise UsedUp
        body = self._fetch(start, length)
        self.fetched += len(body)
        for place in range(0, len(body), BLOCK):
            self._blocks[number + place // BLOCK] = body[place : place + BLOCK]
        self._next = number + self._run
        # What was just fetched is never among what is dropped.
        while len(self._blocks) > max(KEPT, 2 * self._read_ahead):
            self._blocks.popitem(last=False)
