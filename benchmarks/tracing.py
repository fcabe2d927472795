"""`make bench-trace`: `reelkeeper trace` on a ledger of 100,000 jobs, as a person calls it: a whole process each time.

On the deployed local stack with both stand-ins. One job is real: NCA ran it, its callback came in, its file is kept. The others
are written beside it, in batches, with an index entry and a pointer each as real ones have. The job is then asked for by
everything it is known by; each answer names how many items of the ledger it has read.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks.bars import Bar, settle, show
from local.engine import Engine, Order
from local.media import make
from local.stack import ROOT_KEYS, STACK_NAME, Stack
from local.world import World, world
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.ledger_items import to_item, to_pointer
from reelkeeper.domain.job import Event, Job, JobState

JOBS = 100_000
RUNS = 7
# DynamoDB: 25 puts in one request.
_BATCH = 25
_REELKEEPER = str(Path(sys.executable).with_name("reelkeeper"))


def main() -> int:
    """Measure and hold against the bars."""
    console = Console()
    with world(port=0, report=console.print, parameters={"PollRate": "rate(1 hour)"}) as here:
        order, message_id = _real_job(here)
        began = time.monotonic()
        _fill(here.aws, order)
        console.print(f"{JOBS:,} jobs are in the ledger ({time.monotonic() - began:.0f} s)")
        asked = {
            "NCA's job id": order.job_id,
            "the job's row": order.record_id,
            "the record with the output": order.target_id,
            "the file's address": Engine(here).permanent_url(order) or "",
            "a message's id": message_id,
            "a file's name": "film-099999.mp4",
        }
        environ = {**ROOT_KEYS, "AWS_ENDPOINT_URL": here.aws.endpoint, "REELKEEPER_STACK": STACK_NAME}
        measured = {name: [_trace(text, environ) for _ in range(RUNS)] for name, text in asked.items()}
    show(console, "reelkeeper trace", [(name, [took for took, _ in runs]) for name, runs in measured.items()], unit="s")
    read = {name: max(items for _, items in runs) for name, runs in measured.items()}
    console.print(f"Items read: {', '.join(f'{name} {count}' for name, count in read.items())}")
    slowest = max(median(took for took, _ in runs) for runs in measured.values())
    return settle([Bar("trace_seconds", slowest, 2.0), Bar("trace_items_read", max(read.values()), 20)])


def _trace(text: str, environ: Mapping[str, str]) -> tuple[float, int]:
    """Seconds from the call to its end, and items read."""
    began = time.monotonic()
    done = subprocess.run([_REELKEEPER, "trace", text], env=dict(environ), capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    read = re.search(r"^([0-9]+) items? of the ledger", done.stderr, re.MULTILINE)
    if done.returncode or read is None or "The ledger does not know" in done.stdout:
        raise RuntimeError(f"trace {text}: {done.stdout}{done.stderr}")
    return took, int(read[1])


def _real_job(here: World) -> tuple[Order, str]:
    """A job that went all the way, and the id of a message about it."""
    engine = Engine(here)
    scene = here.nca.put_input("scene.mp4", make.video(seconds=1, hue=0.2))
    order = engine.concatenate("Film", [scene])
    ledger = Ledger(here.aws.client("dynamodb"), here.aws.table)
    deadline = time.monotonic() + 120
    while (job := ledger.get(order.job_id)) is None or job.told_at is None:
        if time.monotonic() > deadline:
            raise RuntimeError("the job did not come through")
        time.sleep(0.2)
    ledger.refer(job, ["message-of-the-benchmark"])
    return order, "message-of-the-benchmark"


def _fill(aws: Stack, order: Order) -> None:
    """All the other jobs, of a hundred days, each of a row of its own; some rows and targets have many."""
    dynamodb = aws.client("dynamodb")
    pattern = Ledger(dynamodb, aws.table).get(order.job_id)
    assert pattern is not None

    def write(requests: Sequence[Any]) -> None:
        left = {aws.table: list(requests)}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]

    with ThreadPoolExecutor(4) as writers:
        for _ in writers.map(write, batched(_items(pattern), _BATCH)):
            pass


def _items(pattern: Job) -> Iterator[Any]:
    now = datetime.now(UTC)
    for number in range(JOBS):
        at = now - timedelta(seconds=90 * number)
        history = (Event(at, "first heard of by webhook"), Event(at, "kept: every object is still there"))
        job = replace(
            pattern,
            job_id=f"{number:08d}-1111-4111-8111-111111111111",
            state=JobState.KEPT,
            record_id=f"recBench{number % 50_000:09d}",
            received_at=at,
            updated_at=at,
            settled_at=at,
            due_at=at + timedelta(days=30),
            history=history,
        )
        yield {"PutRequest": {"Item": to_item(job)}}
        if number % 10 == 9:
            yield {"PutRequest": {"Item": to_pointer(f"film-{number:06d}.mp4", job)}}


if __name__ == "__main__":
    sys.exit(main())
