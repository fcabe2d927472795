"""Waiting: longer each time, never too long, never all at once."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.timing import (
    LONGEST_IN_LEDGER,
    LONGEST_IN_QUEUE,
    Durations,
    duration_step,
    next_look,
    retry_delay,
    source_ends_at,
    spread,
)

chances = st.floats(0, 1, exclude_max=True)
delays = st.timedeltas(timedelta(), timedelta(days=1))


@pytest.mark.parametrize(("tries", "seconds"), [(0, 5), (1, 10), (2, 20), (5, 160), (7, 640), (8, 900), (50, 900)])
def test_each_try_waits_twice_as_long_up_to_the_longest(tries: int, seconds: int) -> None:
    assert retry_delay(tries, chance=0) == timedelta(seconds=seconds / 2)
    assert retry_delay(tries, chance=1) == timedelta(seconds=seconds)


@given(tries=st.integers(-5, 10**9), chance=chances, longest=st.sampled_from([LONGEST_IN_QUEUE, LONGEST_IN_LEDGER]))
def test_no_wait_is_too_long_or_none_at_all(tries: int, chance: float, longest: timedelta) -> None:
    assert timedelta(seconds=2.5) <= retry_delay(tries, chance=chance, longest=longest) <= longest


@given(tries=st.integers(0, 40), chance=chances)
def test_a_later_try_never_waits_less_than_an_earlier_one_could(tries: int, chance: float) -> None:
    assert retry_delay(tries + 1, chance=0) <= retry_delay(tries + 1, chance=chance)
    assert retry_delay(tries, chance=chance) <= retry_delay(tries + 1, chance=chance)


def test_the_ledger_waits_for_hours() -> None:
    assert retry_delay(40, chance=0, longest=LONGEST_IN_LEDGER) == timedelta(hours=3)


@given(delay=delays, chance=chances)
def test_a_delay_that_was_asked_for_is_kept_and_spread(delay: timedelta, chance: float) -> None:
    assert delay <= spread(delay, chance=chance) <= delay * 1.5
    assert spread(delay, chance=0) == delay


def test_a_duration_is_found_again_within_a_quarter() -> None:
    for seconds in (1.0, 13.5, 147.0, 2_640.0):
        known = Durations({duration_step(seconds): 1}).quantile(0.5)
        assert known is not None
        assert seconds <= known.total_seconds() <= seconds * 1.26


@given(st.lists(st.floats(0, 100_000), min_size=1, max_size=200))
def test_the_median_and_the_95th_percentile_are_those_of_what_was_seen(seconds: list[float]) -> None:
    durations = Durations(Counter(duration_step(one) for one in seconds))
    ranked = sorted(seconds)
    for share in (0.5, 0.95):
        exact = max(ranked[math.ceil(len(ranked) * share) - 1], 1.0)
        found = durations.quantile(share)
        assert found is not None
        assert exact * 0.999 <= found.total_seconds() <= exact * 1.26


def test_nothing_is_known_of_an_operation_that_was_never_seen() -> None:
    assert Durations({}).quantile(0.5) is None


def test_a_job_that_usually_takes_twelve_minutes_is_not_looked_at_before() -> None:
    usual = Durations({duration_step(720): 100})
    assert next_look(timedelta(minutes=2), usual, chance=0) >= timedelta(minutes=10)
    assert next_look(timedelta(minutes=12), usual, chance=0) == timedelta(minutes=5)


@given(st.timedeltas(timedelta(), timedelta(days=90)), chances)
def test_an_open_job_is_looked_at_ever_more_rarely_but_for_ever(age: timedelta, chance: float) -> None:
    assert timedelta(minutes=5) <= next_look(age, None, chance=chance) <= LONGEST_IN_LEDGER * 1.5


@pytest.mark.parametrize(
    ("url", "ends_at"),
    [
        ("https://s.example/a?AWSAccessKeyId=k&Signature=s&Expires=1795460400", datetime(2026, 11, 23, 19, 0, tzinfo=UTC)),
        ("https://s.example/a?X-Amz-Date=20261123T180000Z&X-Amz-Expires=3600", datetime(2026, 11, 23, 19, 0, tzinfo=UTC)),
        ("https://s.example/a?x-amz-date=20261123T180000Z&x-amz-expires=60", datetime(2026, 11, 23, 18, 1, tzinfo=UTC)),
        ("https://s.example/a?X-Amz-Date=yesterday&X-Amz-Expires=60", None),
        ("https://s.example/a?Expires=99999999999999999999", None),
        ("https://s.example/a", None),
        ("http://[", None),
        (None, None),
    ],
)
def test_a_signed_url_says_itself_when_it_ends(url: str | None, ends_at: datetime | None) -> None:
    assert source_ends_at(url) == ends_at
