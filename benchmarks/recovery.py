"""What it costs to bring back jobs whose callback never came, beside the obvious loop; and how often either is wrong.

A run ends when every row reads "completed". Airtable's limit of five requests a second is enforced by the stand-in; the pauses
that keep to it are counted and not slept (benchmarks/stuck.py). Ours copies each file as well; the loop only links to it.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import boto3
import psutil
from moto import mock_aws
from rich.console import Console
from rich.table import Table

from benchmarks import obvious_loop
from benchmarks.bars import Bar, settle
from benchmarks.stuck import Skipping, Stuck, Taken, pause, stuck, taken
from benchmarks.verdicts import Verdicts, by_age, by_evidence
from reelkeeper.adapters.airtable import Airtable
from reelkeeper.adapters.nca import Nca
from reelkeeper.adapters.pace import Pace
from reelkeeper.services.outside import Outside
from reelkeeper.services.persist import persist
from reelkeeper.services.recover import sweep
from reelkeeper.telemetry import logger
from tests.unit.fakes.clock import Clock
from tests.unit.fakes.ledger import FakeLedger
from tests.unit.fakes.outside import Fakes

SIZES = (10, 100, 1_000, 10_000)
# The bars are for this many.
AT = 1_000
HISTORY = 10_000
# As in template.yaml: a batch of persist, and the time a sweep has.
BATCH, SWEEP = 50, timedelta(seconds=270)
# The loop takes all of Airtable's five requests a second, and so do we here; AirtableShare leaves one to others by default.
SHARE = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run cost: requests, the seconds of the longest sweep and of everything, and memory beyond what there was."""

    jobs: int
    airtable: int
    nca: int
    sweep_s: float
    taken: Taken


def main() -> int:
    arguments = _arguments()
    console = Console()
    # A line for every job is for production.
    logger.setLevel("ERROR")
    ours: dict[int, Cost] = {}
    loop: dict[int, Cost] = {}
    for jobs in arguments.jobs:
        console.print(f"{jobs:,} stuck jobs …")
        with stuck(jobs) as place:
            ours[jobs] = _ours(place)
        console.print(f"  Reelkeeper took {ours[jobs].taken.seconds:,.1f} s")
        pause()
        if jobs <= arguments.loop_up_to:
            with stuck(jobs) as place:
                loop[jobs] = _loop(place)
            console.print(f"  the obvious loop {loop[jobs].taken.seconds:,.1f} s")
    console.print(_table(ours, loop))
    evidence, age = by_evidence(arguments.history), by_age(arguments.history)
    console.print(_verdicts(evidence, age))
    return settle(_bars(ours, loop, evidence))


class _Ledger(FakeLedger):
    """The ledger in memory, without the list of everything that was ever written, which only tests look at."""

    def __init__(self) -> None:
        super().__init__()
        self.on_save = lambda _: self.saved.clear()


def _ours(place: Stuck) -> Cost:
    """Sweeps and batches of persist, one after the other, until every row is completed."""
    clock = place.clock
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        # See adapters/clients.py: two packages of stubs, of which either may be in force.
        key: Any = [{"AttributeName": "job_id", "KeyType": "HASH"}]
        types: Any = [{"AttributeName": "job_id", "AttributeType": "S"}]
        dynamodb.create_table(TableName="pace", KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
        fakes = Fakes(clock=_As(clock), ledger=_Ledger())
        outside = _outside(place, fakes, Pace(dynamodb, "pace", share=SHARE, clock=clock, sleep=clock.sleep))
        for job_id in place.job_ids:
            fakes.source.files[f"{place.nca.bucket_url}/{job_id}_output_0.mp4"] = job_id.encode()
        place.airtable.journal.clear()
        place.nca.calls.clear()
        sweep_s = 0.0
        with taken(clock, _resident) as cost:
            while place.completed < len(place.job_ids):
                began = clock()
                sweep(outside=outside, clock=clock, chance=random.random, ends_at=began + SWEEP, owner="sweep")
                sweep_s = max(sweep_s, (clock() - began).total_seconds())
                _persisted(fakes, outside, clock)
    return Cost(len(place.job_ids), place.airtable_calls, len(place.nca.calls), sweep_s, cost)


class _As(Clock):
    """The fakes' clock, which is this one."""

    def __init__(self, clock: Skipping) -> None:
        super().__init__()
        self._clock = clock

    def __call__(self) -> object:  # type: ignore[override]
        return self._clock()


def _outside(place: Stuck, fakes: Fakes, pace: Pace) -> Outside:
    airtable = place.airtable
    return replace(
        fakes.outside(),
        airtable=Airtable(token=airtable.token, base_id=airtable.base_id, endpoint=airtable.address, pace=pace),
        nca=Nca(place.nca.address, place.nca.api_key),
        nca_bucket=None,
    )


def _persisted(fakes: Fakes, outside: Outside, clock: Skipping) -> None:
    """What the event source does: batches, until the queue has nothing more to show."""
    while deliveries := fakes.queue.receive(BATCH):
        again = persist(deliveries, outside=outside, clock=clock, chance=random.random, owner="persist")
        for one in deliveries:
            if one.message_id not in again:
                fakes.queue.delete(one.message_id)
        if len(again) == len(deliveries):
            # Airtable's share was used up for a while: the messages are hidden, and come again then.
            clock.sleep(5)


def _loop(place: Stuck) -> Cost:
    airtable = place.airtable
    place.airtable.journal.clear()
    with taken(place.clock, _resident) as cost:
        obvious_loop.recover(
            address=airtable.address,
            base_id=airtable.base_id,
            token=airtable.token,
            bucket_url=place.nca.bucket_url,
            pause=place.clock.sleep,
        )
    # One HEAD a job, at NCA's bucket.
    return Cost(len(place.job_ids), place.airtable_calls, len(place.job_ids), cost.seconds, cost)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _table(ours: dict[int, Cost], loop: dict[int, Cost]) -> Table:
    table = Table(title="Jobs whose callback never came, brought back", title_justify="left")
    table.add_column("jobs", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for column in ("Airtable a job", "NCA a job", "seconds", "longest sweep s", "memory MB"):
        table.add_column(column, justify="right")
    for jobs, cost in ours.items():
        for name, one in (("Reelkeeper", cost), ("obvious loop", loop.get(jobs))):
            if one is None:
                table.add_row(f"{jobs:,}", name, *("not run",) * 5)
                continue
            calls = (f"{one.airtable / jobs:.3f}", f"{one.nca / jobs:.3f}")
            sweep_s = f"{one.sweep_s:.1f}" if name == "Reelkeeper" else "-"
            table.add_row(f"{jobs:,}", name, *calls, f"{one.taken.seconds:,.1f}", sweep_s, f"{one.taken.memory_mb:.0f}")
    return table


def _verdicts(evidence: Verdicts, age: Verdicts) -> Table:
    table = Table(title="Wrong verdicts over generated histories", title_justify="left")
    table.add_column("")
    for column in ("jobs", "falsely failed", "falsely completed"):
        table.add_column(column, justify="right")
    for name, one in (("by evidence", evidence), ("older than 60 minutes = failed", age)):
        table.add_row(name, str(one.jobs), str(one.falsely_failed), str(one.falsely_completed))
    return table


def _bars(ours: dict[int, Cost], loop: dict[int, Cost], evidence: Verdicts) -> Sequence[Bar]:
    bars = [
        Bar("recovery-falsely-failed", evidence.falsely_failed, 0),
        Bar("recovery-falsely-completed", evidence.falsely_completed, 0),
    ]
    if AT in ours:
        bars.append(Bar("recovery-airtable-requests-per-job", ours[AT].airtable / AT, 0.35))
    if AT in ours and AT in loop:
        faster = loop[AT].taken.seconds / ours[AT].taken.seconds
        bars.append(Bar("recovery-times-faster-than-the-loop", faster, 10, "at_least"))
    largest = max(ours)
    bars.append(Bar(f"recovery-longest-sweep-seconds-{largest}", ours[largest].sweep_s, 300))
    return bars


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=list(SIZES), help="how many stuck jobs (%(default)s)")
    parser.add_argument("--history", type=int, default=HISTORY, help="jobs of generated histories (%(default)s)")
    parser.add_argument(
        "--loop-up-to", type=int, default=max(SIZES), help="the most jobs the obvious loop is run with (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
