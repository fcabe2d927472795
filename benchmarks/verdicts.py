"""How many jobs are failed or completed falsely over generated histories with known truth: by evidence, and by age alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.unit.histories import Life, a_history, looks, play

JOBS_A_HISTORY = 50
# The rule that is replaced: what is older than this and has not called back has failed.
TOO_OLD = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of so many jobs: those failed although they had not failed, and those completed although they had not ended well."""

    jobs: int
    falsely_failed: int
    falsely_completed: int


def by_evidence(jobs: int) -> Verdicts:
    """What the sweep decides, in whatever order callbacks and looks come."""
    ends = [ended for random in _randoms(jobs) for ended in play(random, jobs=JOBS_A_HISTORY)]
    return Verdicts(len(ends), sum(one.falsely_failed for one in ends), sum(one.falsely_completed for one in ends))


def by_age(jobs: int) -> Verdicts:
    """What the rule of sixty minutes decides of the same jobs: failed at the first look that finds them older and open.

    It is given every callback that came, and knows nothing else.
    """
    failed = total = 0
    for random in _randoms(jobs):
        for life in a_history(random, jobs=JOBS_A_HISTORY).lives:
            total += 1
            failed += _failed_by_age(random, life)
    return Verdicts(total, failed, 0)


def _failed_by_age(random: Random, life: Life) -> bool:
    """Whether the rule fails a job that has not failed and is not lost: it runs still, or it ended well and nobody heard."""
    heard_at = life.ended_at if life.ended_at is not None and random.random() < 0.7 else None
    for at in looks(random, life):
        if heard_at is not None and heard_at <= at:
            return False
        if at - life.submitted_at > TOO_OLD:
            return life.end == "success" or (life.ended_at is not None and at < life.ended_at)
    return False


def _randoms(jobs: int) -> Iterator[Random]:
    yield from (Random(seed) for seed in range(-(-jobs // JOBS_A_HISTORY)))
