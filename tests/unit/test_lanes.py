"""Parts side by side: each sent once, the impatient ones again, and one hopeless error ends all."""

import threading
from itertools import count

import pytest

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.parts import Span, spans
from reelkeeper.services.lanes import TRIES, move

PARTS = list(spans(100, 7))


def at_once(_: RetryLater) -> float:
    return 0.0


@pytest.mark.parametrize("width", [1, 3, 40])
def test_every_part_is_sent_once(width: int) -> None:
    sent: list[Span] = []
    move(PARTS, sent.append, width=width, failed=at_once)
    assert sorted(sent, key=lambda span: span.number) == PARTS


def test_nothing_to_send_is_nothing_to_do() -> None:
    move([], lambda _: pytest.fail("there is no part"), width=4, failed=at_once)


def test_the_first_part_is_sent_by_this_thread_in_a_way_of_its_own() -> None:
    opened: list[tuple[Span, int]] = []
    sent: list[Span] = []
    move(
        PARTS,
        sent.append,
        width=3,
        failed=at_once,
        opening=lambda span: opened.append((span, threading.get_ident())),
    )
    assert opened == [(PARTS[0], threading.get_ident())]
    assert sorted(sent, key=lambda span: span.number) == PARTS[1:]


def test_a_way_of_its_own_that_fails_is_not_gone_twice() -> None:
    sent: list[Span] = []

    def opening(_: Span) -> None:
        raise RetryLater("broken off")

    move(PARTS[:2], sent.append, width=1, failed=at_once, opening=opening)
    assert sent == PARTS[:2]


def test_a_part_that_comes_to_nothing_is_sent_again_and_the_others_are_not() -> None:
    sent: list[Span] = []
    heard: list[str] = []
    left = iter(range(2))

    def send(span: Span) -> None:
        if span == PARTS[1] and next(left, None) is not None:
            raise RetryLater("broken off")
        sent.append(span)

    def failed(error: RetryLater) -> float:
        heard.append(error.reason)
        return 0.0

    move(PARTS[:4], send, width=2, failed=failed)
    assert sorted(sent, key=lambda span: span.number) == PARTS[:4]
    assert heard == ["broken off"] * 2


def test_patience_has_an_end() -> None:
    tries = count(1)

    def send(_: Span) -> None:
        next(tries)
        raise RetryLater("always")

    with pytest.raises(RetryLater, match="always"):
        move(PARTS[:1], send, width=1, failed=at_once)
    assert next(tries) == TRIES + 1


def test_who_hears_of_a_failure_may_end_it_all() -> None:
    tries = count(1)

    def send(_: Span) -> None:
        next(tries)
        raise RetryLater("hopeless")

    def failed(error: RetryLater) -> float:
        raise error

    with pytest.raises(RetryLater, match="hopeless"):
        move(PARTS, send, width=1, failed=failed)
    assert next(tries) == 2


def test_one_hopeless_part_stops_the_others_before_their_next() -> None:
    sent: list[Span] = []
    begun = threading.Barrier(2, timeout=20)

    def send(span: Span) -> None:
        if span == PARTS[0]:
            begun.wait()
            raise Refused("too large")
        sent.append(span)
        if span == PARTS[1]:
            begun.wait()
            threading.Event().wait(0.2)

    with pytest.raises(Refused, match="too large"):
        move(PARTS, send, width=2, failed=at_once)
    assert sent == [PARTS[1]]
