"""Waiting: longer each time, never too long, never all at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.timing import LONGEST_IN_LEDGER, LONGEST_IN_QUEUE, retry_delay, spread

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
