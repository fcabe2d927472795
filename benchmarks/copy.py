"""How fast `reelkeeper copy` is, at what cost in CPU and memory, beside what people use instead; each a whole process.

The source is nginx, the sink SeaweedFS, both on this machine. In each case the contenders take turns, in another order every
time; a ratio is the median of the ratios of neighbours in time, which share whatever else the machine was doing. What was
kept is read back and compared the first time; its size every time.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import chart, contenders, keeping
from benchmarks.bars import Bar, settle
from benchmarks.contenders import (
    BOTO3,
    COPIES,
    COPY_OBJECT,
    INSIDE,
    OURS,
    OURS_INSIDE,
    RCLONE,
    UPLOADS,
    Command,
    Task,
)
from benchmarks.results import Results, fastest, ratio, table
from benchmarks.runs import Run, RunFailed, run
from local import nginx, seaweedfs
from local.seaweedfs import Store

MIB = 2**20
SOURCE = "source"
SLOW, FAST, SMALL, INNER, LONG = "25 MB/s a connection", "unlimited", "10 MB", "server-side", "8 times as large"
CASES = (SLOW, FAST, SMALL, INNER, LONG)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a case takes place: the store, nginx's two addresses, and a folder with the files."""

    store: Store
    nginx: nginx.Served
    folder: Path
    console: Console


def main() -> int:
    arguments = _arguments()
    console, mib, turns = Console(), arguments.mib, arguments.turns
    try:
        with _ground(console, mib) as ground:
            results = _measure(ground, arguments.only or CASES, mib=mib, turns=turns)
    except nginx.NoNginx as error:
        print(error, file=sys.stderr)
        return 2
    except RunFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything it started has ended, and nothing is kept", file=sys.stderr)
        return 130
    for case, runs in results.items():
        console.print(table(case, runs))
    bars = _bars(results)
    console.print(keeping.difference(bars))
    # What is kept is a whole run at full size; anything else would be compared with it later.
    if mib == 1024 and turns >= 3 and len(results) == len(CASES):
        keeping.keep(bars, results, mib=mib)
        chart.draw(results, mib=mib)
    return settle(bars)


def _measure(ground: Ground, cases: Sequence[str], *, mib: int, turns: int) -> Results:
    film, short = _film(ground.folder, "film.mp4", mib * MIB), _film(ground.folder, "short.mp4", 10_000_000)
    fast, slow = (f"{address}/{film.name}" for address in (ground.nginx.fast, ground.nginx.slow))
    everyone = {**COPIES, **UPLOADS}
    results: Results = {}
    ground.console.print("Warming up: programs and files into memory")
    _take_turns(ground, everyone, f"{ground.nginx.fast}/{short.name}", short, turns=1)
    if SLOW in cases:
        # A rate limit leaves little to chance, and the peers 41 s a turn.
        three = {name: COPIES[name] for name in (OURS, RCLONE, BOTO3)}
        results[SLOW] = _take_turns(ground, three, slow, film, turns=min(turns, 3), title=SLOW)
    if FAST in cases:
        results[FAST] = _take_turns(ground, everyone, fast, film, turns=turns, title=FAST)
    if SMALL in cases:
        url = f"{ground.nginx.fast}/{short.name}"
        results[SMALL] = _take_turns(ground, COPIES, url, short, turns=3 * turns, title=SMALL)
    if INNER in cases:
        ground.store.make_bucket(SOURCE, public=True)
        ground.store.client().upload_file(str(film), SOURCE, film.name)
        inner = f"{ground.store.endpoint}/{SOURCE}/{film.name}"
        results[INNER] = _take_turns(ground, INSIDE, inner, film, turns=turns, title=INNER)
        ground.store.client().delete_bucket(Bucket=SOURCE)
    if LONG in cases:
        results[LONG] = _long(ground, 8 * mib * MIB)
    return results


def _bars(results: Results) -> list[Bar]:
    """Only what was measured has a bar."""
    bars = []
    if SLOW in results:
        bars.append(Bar("copy-limited-source-speed-up-over-rclone", ratio(results[SLOW], RCLONE, OURS), 5, "at_least"))
    if FAST in results:
        runs = results[FAST]
        peer, floor = fastest(runs, [name for name in COPIES if name != OURS]), fastest(runs, UPLOADS)
        bars += [
            Bar("copy-time-to-the-fastest-peers", ratio(runs, OURS, peer), 1.0),
            Bar("copy-time-to-an-upload-from-disk", ratio(runs, OURS, floor), 1.05),
            Bar("copy-cpu-to-rclones", ratio(runs, OURS, RCLONE, of="cpu_s"), 0.7),
            Bar("copy-peak-mb", max(one.peak_mb for one in runs[OURS]), 128),
        ]
    if SMALL in results:
        bars.append(Bar("copy-10-mb-time-to-boto3s", ratio(results[SMALL], OURS, BOTO3), 1.0))
    if INNER in results:
        bars.append(Bar("copy-server-side-time-to-copyobject", ratio(results[INNER], OURS_INSIDE, COPY_OBJECT), 1.0))
    if LONG in results and FAST in results:
        peaks = [max(one.peak_mb for one in results[case][OURS]) for case in (FAST, LONG)]
        bars.append(Bar("copy-peak-growth-over-8-times-the-size", max(peaks) / min(peaks), 1.10))
    return bars


def _take_turns(
    ground: Ground, commands: Mapping[str, Command], url: str, file: Path, *, turns: int, title: str = ""
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    order = list(commands)
    for turn in range(turns):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            # Deleting a bucket frees its memory at once, deleting an object does not.
            with _bucket(ground.store, f"turn-{turn}-{order.index(name)}") as bucket:
                task = Task(url, file, file.stat().st_size, ground.store, bucket)
                cost = run(commands[name](task), environ=contenders.environ(ground.store, ground.folder), folder=ground.folder)
                _check(task, name, whole=turn == 0)
            runs[name].append(cost)
            if title:
                ground.console.print(f"{title}, turn {turn + 1}: {name} {cost.seconds:.2f} s", highlight=False)
    return runs


def _long(ground: Ground, size: int) -> dict[str, list[Run]]:
    """Ours alone, with a file whose bytes nobody had to write, into a store on disk: memory may be smaller than it."""
    file = ground.folder / "long.mp4"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    with seaweedfs.serve() as store:
        ground = Ground(store, ground.nginx, ground.folder, ground.console)
        return _take_turns(ground, {OURS: COPIES[OURS]}, f"{ground.nginx.fast}/{file.name}", file, turns=1, title=LONG)


def _check(task: Task, name: str, *, whole: bool) -> None:
    client = task.store.client()
    size = client.head_object(Bucket=task.bucket, Key=task.key)["ContentLength"]
    if size != task.size:
        raise RunFailed(f"{name} kept {size} of {task.size} bytes")
    if whole:
        body: Any = client.get_object(Bucket=task.bucket, Key=task.key)["Body"]
        kept = hashlib.sha1(usedforsecurity=False)
        for chunk in body.iter_chunks(MIB):
            kept.update(chunk)
        with task.file.open("rb") as file:
            if hashlib.file_digest(file, "sha1").digest() != kept.digest():
                raise RunFailed(f"{name} kept other bytes than the source has")


def _film(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    with path.open("wb") as file:
        for start in range(0, size, 16 * MIB):
            file.write(os.urandom(min(16 * MIB, size - start)))
        # Else it would be written to disk while the first turn is timed.
        os.fsync(file.fileno())
    return path


@contextmanager
def _bucket(store: Store, name: str) -> Iterator[str]:
    store.make_bucket(name)
    try:
        yield name
    finally:
        store.client().delete_bucket(Bucket=name)


@contextmanager
def _ground(console: Console, mib: int) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="reelkeeper-bench-") as place:
        folder = Path(place)
        with (
            nginx.serve(folder, report=console.print) as served,
            seaweedfs.serve(in_memory=True, room_mb=3 * mib) as store,
        ):
            console.print(f"SeaweedFS keeps its data in {store.folder.parent}")
            yield Ground(store, served, folder, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copy", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="how often each contender runs (%(default)s)")
    parser.add_argument("--only", action="append", choices=CASES, help="this case alone; may be given several times")
    parser.add_argument("--quick", action="store_true", help="64 MiB, one turn: whether it works, not how fast")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.mib, arguments.turns = 64, 1
    return arguments


if __name__ == "__main__":
    sys.exit(main())
