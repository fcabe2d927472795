"""Tokens: two are valid while one is rotated, a warm function learns of it, and guesses cost a read a minute at most."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.errors import RetryLater
from reelkeeper.services.tokens import Tokens
from tests.unit.builders import NOW


class Secret:
    """A secret and a clock in one: counts how often it was read, and may be out of reach."""

    def __init__(self, **values: str) -> None:
        self.values: Mapping[str, str] = values
        self.reads = 0
        self.out_of_reach = False
        self.now = NOW

    def read(self) -> Mapping[str, str]:
        self.reads += 1
        if self.out_of_reach:
            raise RetryLater("the secret cannot be read")
        return self.values

    def clock(self) -> datetime:
        return self.now


def some_tokens(**values: str) -> tuple[Tokens, Secret]:
    secret = Secret(**values)
    return Tokens(secret.read, clock=secret.clock), secret


def test_the_token_and_the_previous_one_are_accepted() -> None:
    tokens, secret = some_tokens(token="new", previous="old")
    assert tokens.accept("new")
    assert tokens.accept("old")
    assert not tokens.accept("other")
    assert secret.reads == 1


def test_nothing_is_read_before_the_first_caller() -> None:
    assert some_tokens(token="new")[1].reads == 0


@pytest.mark.parametrize("candidate", ["", " ", "ne", "neww", "NEW", "new ", "nëw", "\ud800", "new\x00"])
def test_what_is_only_like_the_token_is_not(candidate: str) -> None:
    assert not some_tokens(token="new", previous="")[0].accept(candidate)


@pytest.mark.parametrize("values", [{}, {"token": ""}, {"token": "  ", "previous": " "}, {"other": "x"}])
@pytest.mark.parametrize("candidate", ["", " ", "x"])
def test_a_secret_without_a_token_lets_nobody_in_and_says_so(values: dict[str, str], candidate: str) -> None:
    with pytest.raises(RetryLater, match="the webhook's secret holds no token; put one under the key token"):
        some_tokens(**values)[0].accept(candidate)


def test_a_secret_that_is_emptied_does_not_turn_away_whom_a_warm_function_knows() -> None:
    tokens, secret = some_tokens(token="new")
    assert tokens.accept("new")
    secret.values = {}
    secret.now += timedelta(minutes=2)
    with pytest.raises(RetryLater):
        tokens.accept("guess")
    assert tokens.accept("new")


def test_white_space_around_a_stored_token_does_not_count() -> None:
    assert some_tokens(token=" new\n")[0].accept("new")


def test_a_rotation_reaches_a_warm_function() -> None:
    tokens, secret = some_tokens(token="first")
    assert tokens.accept("first")
    secret.values = {"token": "second", "previous": "first"}
    secret.now += timedelta(seconds=60)
    assert tokens.accept("second")
    assert tokens.accept("first")
    secret.values = {"token": "third"}
    secret.now += timedelta(minutes=5)
    assert tokens.accept("third")
    assert not tokens.accept("first")


def test_guesses_make_it_read_once_a_minute_at_most() -> None:
    tokens, secret = some_tokens(token="new")
    for _ in range(120):
        assert not tokens.accept("guess")
        secret.now += timedelta(seconds=1)
    assert secret.reads == 2


def test_a_known_token_never_waits_for_the_secret() -> None:
    tokens, secret = some_tokens(token="new")
    assert tokens.accept("new")
    secret.out_of_reach = True
    secret.now += timedelta(days=1)
    assert tokens.accept("new")
    assert secret.reads == 1


def test_a_secret_out_of_reach_is_neither_yes_nor_no() -> None:
    tokens, secret = some_tokens(token="new")
    secret.out_of_reach = True
    for _ in range(2):
        with pytest.raises(RetryLater):
            tokens.accept("new")
    secret.out_of_reach = False
    assert tokens.accept("new")


@given(token=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), candidate=st.text(st.characters(codec=None)))
def test_only_the_token_itself_is_accepted(token: str, candidate: str) -> None:
    tokens, _ = some_tokens(token=token)
    assert tokens.accept(token.strip())
    if "?" not in token:
        assert tokens.accept(candidate) is (candidate == token.strip())
