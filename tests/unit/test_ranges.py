"""An object read by ranges: the right bytes in any order, each block fetched once, never more than allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.services.ranges import BLOCK, READ_AHEAD, Ranges, UsedUp

BODY = bytes(range(251)) * 4_000


class Store:
    """A body that remembers how it was asked for."""

    def __init__(self, body: bytes = BODY) -> None:
        self.body = body
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return self.body[start : start + length]


def ranges(store: Store, *, most_bytes: int = 1 << 40) -> Ranges:
    return Ranges(store, len(store.body), most_bytes=most_bytes)


places = st.tuples(st.integers(0, len(BODY) + 100), st.integers(0, 3 * BLOCK))


@given(asked=st.lists(places, max_size=20))
def test_whatever_is_asked_for_is_what_is_there(asked: list[tuple[int, int]]) -> None:
    one = ranges(Store())
    for start, length in asked:
        assert one.read(start, length) == BODY[start : start + length]


def test_what_is_read_again_and_near_is_fetched_once() -> None:
    store = Store()
    one = ranges(store)
    for start in (0, 10, 5, BLOCK - 1):
        one.read(start, 1)
    assert store.asked == [(0, BLOCK)]
    assert one.fetched == BLOCK


def test_what_is_read_on_and_on_is_fetched_in_ever_larger_pieces() -> None:
    store = Store(bytes(64 * BLOCK))
    one = ranges(store)
    for start in range(0, 64 * BLOCK, 32_768):
        one.read(start, 32_768)
    lengths = [length // BLOCK for _, length in store.asked]
    assert lengths[:5] == [1, 2, 4, 8, 16]
    assert max(lengths) == READ_AHEAD
    assert one.fetched == 64 * BLOCK


def test_a_leap_costs_one_block() -> None:
    store = Store(bytes(64 * BLOCK))
    one = ranges(store)
    for start in (0, 30 * BLOCK, 2 * BLOCK, 50 * BLOCK):
        one.read(start, 16)
    assert [length for _, length in store.asked] == [BLOCK] * 4


def test_more_than_is_allowed_is_never_fetched() -> None:
    store = Store(bytes(64 * BLOCK))
    one = ranges(store, most_bytes=2 * BLOCK)
    one.read(0, 1)
    one.read(10 * BLOCK, 1)
    with pytest.raises(UsedUp):
        one.read(20 * BLOCK, 1)
    assert one.serve(30 * BLOCK, 1) is None
    assert one.serve(0, 4) == bytes(4)
    assert one.fetched == 2 * BLOCK


def test_memory_is_bounded_however_much_is_read() -> None:
    store = Store(bytes(200 * BLOCK))
    one = ranges(store)
    for start in range(0, 200 * BLOCK, BLOCK):
        one.read(start, BLOCK)
    store.asked.clear()
    one.read(199 * BLOCK, 1)
    one.read(0, 1)
    assert store.asked == [(0, BLOCK)]


def test_a_whole_film_is_read_through_in_pieces_larger_than_what_is_kept() -> None:
    store = Store(bytes(range(256)) * 256 * 600)
    one = Ranges(store, len(store.body), most_bytes=1 << 40, read_ahead=128)
    for start in range(0, len(store.body), 32_768):
        assert one.read(start, 32_768) == store.body[start : start + 32_768]
    assert one.fetched == len(store.body)
    assert max(length for _, length in store.asked) == 128 * BLOCK
