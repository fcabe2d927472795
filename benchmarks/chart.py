"""The copy benchmark as a picture for the docs: one small bar chart for each question."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import COPIES, OURS
from benchmarks.results import Results
from benchmarks.runs import Run

PICTURE = Path(__file__).parents[1] / "docs" / "copy.png"
INK, QUIET, OURS_COLOUR, PAPER = "#22303c", "#b9c4cd", "#0b7a75", "#ffffff"


def draw(results: Results, *, mib: int, path: Path = PICTURE) -> None:
    """Draw what there is: the source with a limit, the one without, CPU time and memory."""
    # Only where it is needed: it takes a second to import.
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    slow, fast = results.get("25 MB/s a connection", {}), results.get("unlimited", {})
    questions: list[tuple[str, Mapping[str, Sequence[Run]], Callable[[Run], float], str]] = [
        ("Time, source limited to 25 MB/s a connection", slow, lambda one: one.seconds, "s"),
        ("Time, unlimited source", fast, lambda one: one.seconds, "s"),
        ("CPU time, unlimited source", fast, lambda one: one.cpu_s, "s"),
        ("Peak memory", fast, lambda one: one.peak_mb, "MB"),
    ]
    figure, places = plt.subplots(2, 2, figsize=(11, 6), facecolor=PAPER)
    for place, (title, runs, figure_of, unit) in zip(places.flat, questions, strict=True):
        _bars(place, title, {name: [figure_of(one) for one in runs[name]] for name in COPIES if name in runs}, unit)
    size = f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"
    figure.suptitle(f"Copying {size} from a URL into a bucket: whole processes, medians, line from least to most", color=INK)
    figure.tight_layout(pad=1.6)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bars(place: Any, title: str, values: Mapping[str, Sequence[float]], unit: str) -> None:
    names = sorted(values, key=lambda name: median(values[name]), reverse=True)
    middles = [median(values[name]) for name in names]
    spreads = [
        [m - min(values[n]) for m, n in zip(middles, names, strict=True)],
        [max(values[n]) - m for m, n in zip(middles, names, strict=True)],
    ]
    colours = [OURS_COLOUR if name == OURS else QUIET for name in names]
    place.barh(
        names, middles, color=colours, height=0.62, xerr=spreads, error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2}
    )
    reach = max((max(values[name]) for name in names), default=1)
    for index, (name, middle) in enumerate(zip(names, middles, strict=True)):
        label = f"{middle:,.0f} {unit}" if middle >= 100 else f"{middle:.1f} {unit}"
        weight = "bold" if name == OURS else "normal"
        place.text(max(values[name]) + reach * 0.02, index, label, va="center", color=INK, fontweight=weight, fontsize=9)
    place.set_xlim(0, reach * 1.18)
    place.set_title(title, loc="left", fontsize=10, color=INK)
    place.spines[["top", "right", "bottom", "left"]].set_visible(False)
    place.tick_params(axis="y", length=0, labelsize=9, colors=INK)
    place.set_xticks([])
