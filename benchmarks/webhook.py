"""The webhook's cold start and warm answer beside those of the least a function could do: a bare boto3 handler.

Each cold start is a fresh process that imports its handler, makes its clients and answers its first event; the two take turns.
AWS is a canned answer from a process of its own, so that what is measured is our code and boto3's.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from rich.console import Console
from rich.progress import track

from benchmarks.bars import Bar, settle, show

HERE = Path(__file__).parent
ROOT = HERE.parent
HANDLERS = {"bare boto3 handler": HERE / "bare_handler.py", "webhook": ROOT / "functions" / "webhook" / "app.py"}
BARE, OURS = HANDLERS
COLD_LIMIT, WARM_LIMIT = 1.25, 1.30


@dataclass(frozen=True, slots=True)
class Timing:
    """One process's times, in milliseconds: the cold start, and the median of its warm answers."""

    cold_ms: float
    warm_ms: float


Time: TypeAlias = Callable[[Timing], float]


def main() -> int:
    arguments = _arguments()
    timings: dict[str, list[Timing]] = {name: [] for name in HANDLERS}
    with _canned_aws() as endpoint:
        environ = _environ(endpoint)
        # The first of each writes the .pyc files and fills the disk cache, and is not counted.
        for turn in track(range(arguments.runs + 1), description="Cold starts, in turn", console=Console(stderr=True)):
            for name, handler in HANDLERS.items():
                timing = _measure(handler, arguments.events, environ)
                if turn:
                    timings[name].append(timing)
    console = Console()
    show(console, "Cold start: import, clients, first event", _values(timings, _cold), unit="ms")
    show(console, f"Warm answer (median of {arguments.events} in each process)", _values(timings, _warm), unit="ms")
    return settle(
        [
            Bar("webhook-cold-start", _ratio(timings, _cold), COLD_LIMIT),
            Bar("webhook-warm-median", _ratio(timings, _warm), WARM_LIMIT),
        ]
    )


def _cold(timing: Timing) -> float:
    return timing.cold_ms


def _warm(timing: Timing) -> float:
    return timing.warm_ms


def _ratio(timings: Mapping[str, list[Timing]], what: Time) -> float:
    """The median of the ratios of neighbours in time, which share whatever else the machine was doing."""
    pairs = zip(timings[OURS], timings[BARE], strict=True)
    return median(what(ours) / what(bare) for ours, bare in pairs)


def _values(timings: Mapping[str, list[Timing]], what: Time) -> list[tuple[str, list[float]]]:
    return [(name, [what(one) for one in some]) for name, some in timings.items()]


def _measure(handler: Path, events: int, environ: Mapping[str, str]) -> Timing:
    command = [sys.executable, str(HERE / "cold_start.py"), str(handler), str(events)]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=True)
    return Timing(**json.loads(done.stderr.splitlines()[-1]))


@contextmanager
def _canned_aws() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, str(HERE / "canned_aws.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def _environ(endpoint: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "webhook",
        "POWERTOOLS_SERVICE_NAME": "webhook",
        "POWERTOOLS_METRICS_NAMESPACE": "Reelkeeper",
        "QUEUE_URL": f"{endpoint}/000000000000/queue",
        "BUCKET": "bucket",
        "TOKEN_SECRET_ARN": "token",
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhook", description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="cold starts of each handler (%(default)s)")
    parser.add_argument("--events", type=int, default=200, help="warm answers in each process (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
