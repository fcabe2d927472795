"""The webhook's cold start and warm answer beside those of the least a function could do: a bare boto3 handler.

Each cold start is a fresh process that imports its handler, makes its clients and answers its first event. The two then stay
warm and answer in turns of a few events, so that whatever else the machine does falls on both. AWS is a canned answer from a
process of its own: what is measured is our code and boto3's.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track

from benchmarks.bars import Bar, settle, show

HERE = Path(__file__).parent
ROOT = HERE.parent
HANDLERS = {"bare boto3 handler": HERE / "bare_handler.py", "webhook": ROOT / "functions" / "webhook" / "app.py"}
BARE, OURS = HANDLERS
COLD_LIMIT, WARM_LIMIT = 1.25, 1.30
TURN = 20


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of one handler: a cold start for each process; the median of each turn of warm answers, by process."""

    cold: list[float] = field(default_factory=list)
    warm: list[list[float]] = field(default_factory=list)


def main() -> int:
    arguments = _arguments()
    timings = {name: Timings() for name in HANDLERS}
    with _canned_aws() as endpoint:
        environ = _environ(endpoint)
        # The first pair writes the .pyc files and fills the disk cache, and is not counted.
        _pair({name: Timings() for name in HANDLERS}, environ, turns=1, first=BARE)
        for run in track(range(arguments.runs), description="Cold starts, in turn", console=Console(stderr=True)):
            _pair(timings, environ, turns=arguments.events // TURN, first=OURS if run % 2 else BARE)
    console = Console()
    cold = [(name, one.cold) for name, one in timings.items()]
    warm = [(name, [median(turns) for turns in one.warm]) for name, one in timings.items()]
    show(console, "Cold start: import, clients, first event", cold, unit="ms")
    show(console, f"Warm answer (median of {arguments.events} in each process)", warm, unit="ms")
    turns = {name: [turn for turns in one.warm for turn in turns] for name, one in timings.items()}
    return settle(
        [
            Bar("webhook-cold-start", _ratio(timings[OURS].cold, timings[BARE].cold), COLD_LIMIT),
            Bar("webhook-warm-median", _ratio(turns[OURS], turns[BARE]), WARM_LIMIT),
        ]
    )


def _ratio(ours: Sequence[float], bare: Sequence[float]) -> float:
    """The median of the ratios of neighbours in time, which share whatever else the machine was doing."""
    return median(one / other for one, other in zip(ours, bare, strict=True))


def _pair(timings: Mapping[str, Timings], environ: Mapping[str, str], *, turns: int, first: str) -> None:
    """Start each handler afresh, then let the two take turns."""
    order = sorted(HANDLERS, key=lambda name: name != first)
    with ExitStack() as started:
        processes = {}
        for name in order:
            processes[name] = started.enter_context(_process(HANDLERS[name], environ))
            timings[name].cold.append(_said(processes[name]))
            timings[name].warm.append([])
        for _ in range(turns):
            for name in order:
                timings[name].warm[-1].append(_turn(processes[name]))


def _turn(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    print(TURN, file=process.stdin, flush=True)
    return _said(process)


def _said(process: subprocess.Popen[str]) -> float:
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        return float(json.loads(line))
    except ValueError:
        sys.exit(f"A handler failed:\n{line}{process.stderr.read()}")


@contextmanager
def _process(handler: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    # -P, because a file of this folder may be called as a module of the standard library.
    command = [sys.executable, "-P", str(HERE / "cold_start.py"), str(handler)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, env=dict(environ), stdin=pipe, stdout=nowhere, stderr=pipe, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def _canned_aws() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, "-P", str(HERE / "canned_aws.py")], stdout=subprocess.PIPE, text=True)
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
    parser.add_argument(
        "--events", type=int, default=200, help=f"warm answers in each process, in turns of {TURN} (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
