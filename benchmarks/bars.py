"""The last lines of a benchmark: one for each bar, and the exit status they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and the limit it must keep to: `at_most` it, or `at_least`."""

    name: str
    figure: float
    limit: float
    kind: Literal["at_most", "at_least"] = "at_most"

    @property
    def reached(self) -> bool:
        return self.figure <= self.limit if self.kind == "at_most" else self.figure >= self.limit

    def __str__(self) -> str:
        return f"bar {self.name} {self.figure:.3f} {self.limit:g} {'reached' if self.reached else 'short'}"


def settle(bars: Sequence[Bar]) -> int:
    """Print the bars and return the exit status: 0 if all are reached."""
    for bar in bars:
        print(bar)
    return 0 if all(bar.reached for bar in bars) else 1


def show(console: Console, title: str, rows: Sequence[tuple[str, Sequence[float]]], *, unit: str) -> None:
    """A table of medians and spreads (the middle half of the values)."""
    table = Table(title=title)
    table.add_column("")
    for column in ("median", "middle half", "runs"):
        table.add_column(column, justify="right")
    for name, values in rows:
        low, _, high = quantiles(values, n=4)
        table.add_row(name, f"{median(values):.2f} {unit}", f"{low:.2f} to {high:.2f}", str(len(values)))
    console.print(table)
