"""One run of one contender as a whole process: how long it took, what CPU time, and how much memory at its peak."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import process

TIMED = Path(__file__).with_name("timed.py")


class RunFailed(RuntimeError):
    """A contender ended badly or kept something else; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process cost: wall-clock seconds, CPU seconds of it and its children, and the peak of the largest, in MB."""

    seconds: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], *, environ: Mapping[str, str], folder: Path) -> Run:
    """Run a command to its end, alone; raises RunFailed."""
    result, log = folder / "result.json", folder / "log"
    result.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    timed = process.tied([sys.executable, "-P", "-S", "-E", str(TIMED), str(result), *process.tied(command, by="KILL")])
    with process.running(timed, environ=environ, log=log) as child:
        child.wait()
    found = json.loads(result.read_text()) if result.exists() else {"status": child.returncode}
    if found["status"]:
        said = log.read_text(errors="replace")[-2000:]
        raise RunFailed(f"{' '.join(command)[:300]} ended with status {found['status']}:\n{said}")
    return Run(found["seconds"], found["cpu_s"], found["peak_kib"] * 1024 / 1e6)
