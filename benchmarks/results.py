"""What came out of the runs of each case: ratios, the fastest, and a table."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal, TypeAlias

from rich.table import Table

from benchmarks.runs import Run

# By case, then by contender, in the order of the turns.
Results: TypeAlias = dict[str, dict[str, list[Run]]]
Figure = Literal["seconds", "cpu_s"]


def ratio(runs: Mapping[str, Sequence[Run]], one: str, other: str, *, of: Figure = "seconds") -> float:
    """How many times the other's figure ours is: the median over the turns."""
    pairs = zip(runs[one], runs[other], strict=True)
    return median(a.cpu_s / b.cpu_s if of == "cpu_s" else a.seconds / b.seconds for a, b in pairs)


def fastest(runs: Mapping[str, Sequence[Run]], among: Iterable[str]) -> str:
    """The contender with the smallest median time."""
    return min(among, key=lambda name: median(one.seconds for one in runs[name]))


def table(case: str, runs: Mapping[str, Sequence[Run]]) -> Table:
    """Medians with the smallest and the largest value beside them."""
    shown = Table(title=case, title_justify="left")
    shown.add_column("", no_wrap=True)
    for column in ("seconds", "from - to", "CPU s", "peak MB", "runs"):
        shown.add_column(column, justify="right")
    for name, some in runs.items():
        seconds, cpu = [one.seconds for one in some], [one.cpu_s for one in some]
        cells = [f"{median(seconds):.2f}", _spread(seconds), f"{median(cpu):.2f}"]
        shown.add_row(name, *cells, f"{max(one.peak_mb for one in some):.0f}", str(len(some)))
    return shown


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} - {max(values):.2f}"
