"""The stack's dashboard as a picture, drawn from what the functions counted: `make dashboard` plays the demo and draws it.

CloudWatch would draw the same widgets from the same lines; ministack makes no metrics of them. Widgets of AWS's own metrics
(queues, functions, alarms) have nothing to show here and are left out.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.dates import DateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator

NAMESPACE = "Reelkeeper"
COLUMNS = 24  # CloudWatch's grid
INK, FAINT, PAPER, GROUND = "#16191f", "#687078", "#ffffff", "#f2f3f3"


@dataclass(frozen=True, slots=True)
class Point:
    """One line's values of one metric, under all the dimensions of the line."""

    at: float
    name: str
    dimensions: Mapping[str, str]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of a widget: what is asked for, and how it is to look."""

    name: str
    dimensions: Mapping[str, str]
    label: str
    colour: str
    stat: str


def points(lines: Iterable[str]) -> list[Point]:
    """What was counted, from lines of the embedded metric format among others."""
    texts = [one for text in lines for one in text.splitlines() if one.startswith("{") and '"_aws"' in one]
    return [point for text in texts for point in _points(json.loads(text))]


def _points(line: Mapping[str, Any]) -> Iterator[Point]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        dimensions = {name: line[name] for name in directive["Dimensions"][-1]}
        for one in directive["Metrics"]:
            yield Point(line["_aws"]["Timestamp"] / 1000, one["Name"], dimensions, line[one["Name"]])


def draw(body: str, lines: Iterable[str], file: Path) -> None:
    """Draw a dashboard's body as CloudWatch lays it out, over the time in which something was counted."""
    measured = points(lines)
    widgets = [widget for widget in json.loads(body)["widgets"] if _curves(widget)]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK})
    # A widget's unit, in inches, and what is above and around them all.
    wide, high, above, gap = 0.62, 0.5, 0.62, 0.09
    width, height = COLUMNS * wide + 2 * gap, rows * high + above + gap
    figure = plt.figure(figsize=(width, height), facecolor=GROUND, dpi=100)
    figure.text(
        2 * gap / width, 1 - 0.36 / height, "Reelkeeper: from NCA's callback to a kept file", fontsize=15, weight="bold"
    )
    start, end = _span(measured)
    for widget in widgets:
        left, top = gap + widget["x"] * wide, height - above - widget["y"] * high
        w, h = widget["width"] * wide, widget["height"] * high
        card = (left + gap / 2, top - h + gap / 2, w - gap, h - gap)
        figure.add_axes(_share(card, width, height), facecolor=PAPER, xticks=[], yticks=[])
        for spine in figure.axes[-1].spines.values():
            spine.set_color("#d5dbdb")
        figure.text((left + 0.2) / width, (top - 0.33) / height, widget["properties"]["title"], fontsize=10, weight="bold")
        bars = widget["properties"]["view"] == "bar"
        inner = (left + (1.6 if bars else 0.62), top - h + 0.42, w - (2.0 if bars else 0.85), h - 0.92)
        axes = figure.add_axes(_share(inner, width, height), facecolor=PAPER)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color("#aab7b8")
        axes.tick_params(colors=FAINT, length=0, labelsize=8.5)
        if bars:
            _bars(axes, _curves(widget), measured)
        else:
            _lines(axes, widget, measured, start, end)
    figure.savefig(file)
    plt.close(figure)


def _share(box: tuple[float, float, float, float], width: float, height: float) -> tuple[float, float, float, float]:
    """A box in inches as shares of the figure."""
    left, bottom, w, h = box
    return left / width, bottom / height, w / width, h / height


def _curves(widget: Mapping[str, Any]) -> list[Curve]:
    curves = []
    for row in widget["properties"].get("metrics", ()):
        words = [word for word in row if isinstance(word, str)]
        looks = row[-1] if isinstance(row[-1], dict) else {}
        if words[0] == NAMESPACE:
            stat = looks.get("stat") or widget["properties"]["stat"]
            dimensions = dict(zip(words[2::2], words[3::2], strict=True))
            curves.append(Curve(words[1], dimensions, looks.get("label", words[1]), looks.get("color", INK), stat))
    return curves


def _of(curve: Curve, measured: Sequence[Point]) -> list[Point]:
    return [one for one in measured if one.name == curve.name and curve.dimensions.items() <= one.dimensions.items()]


def _stat(values: Sequence[float], stat: str) -> float:
    if stat.startswith("p"):
        return quantiles(values, n=100, method="inclusive")[int(stat[1:]) - 1] if len(values) > 1 else values[0]
    return math.fsum(values) if stat == "Sum" else max(values) if stat == "Maximum" else min(values)


def _span(measured: Sequence[Point]) -> tuple[float, float]:
    moments = [one.at for one in measured]
    return math.floor(min(moments) / 60) * 60, math.ceil(max(moments) / 60) * 60 + 1


def _bars(axes: Any, curves: Sequence[Curve], measured: Sequence[Point]) -> None:
    sums = [math.fsum(value for one in _of(curve, measured) for value in one.values) for curve in curves]
    places = range(len(curves))[::-1]
    axes.barh(places, sums, color=[curve.colour for curve in curves], height=0.62)
    axes.set_yticks(places, [curve.label for curve in curves])
    axes.tick_params(axis="y", labelsize=10, colors=INK)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(0, max([*sums, 1]) * 1.12)
    for place, total in zip(places, sums, strict=True):
        axes.annotate(f"{total:g}", (total, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=11)


def _lines(axes: Any, widget: Mapping[str, Any], measured: Sequence[Point], start: float, end: float) -> None:
    # A demo lasts minutes: its periods are as much shorter than the dashboard's five minutes.
    period = max((end - start) / 45, 1)
    buckets = range(math.ceil((end - start) / period))
    times = [datetime.fromtimestamp(start + (bucket + 0.5) * period, UTC) for bucket in buckets]
    stacked = widget["properties"].get("stacked", False)
    below = [0.0] * len(times)
    for curve in _curves(widget):
        values: dict[int, list[float]] = {}
        for one in _of(curve, measured):
            values.setdefault(int((one.at - start) // period), []).extend(one.values)
        heights = {bucket: _stat(some, curve.stat) for bucket, some in values.items()}
        if stacked or curve.stat == "Sum":
            tops = [below[bucket] + heights.get(bucket, 0) for bucket in buckets]
            if stacked:
                axes.bar(times, [heights.get(bucket, 0) for bucket in buckets], bottom=below, width=period / 86400 * 0.9,
                         color=curve.colour, label=curve.label)  # fmt: skip
                below = tops
            else:
                axes.plot(times, tops, color=curve.colour, label=curve.label, linewidth=1.6)
        else:
            seen = sorted(heights)
            axes.plot(
                [times[bucket] for bucket in seen],
                [heights[bucket] for bucket in seen],
                color=curve.colour, label=curve.label, linewidth=1.6, marker="o", markersize=3.2,
            )  # fmt: skip
    axes.set_xlim(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
    top = max(axes.get_ylim()[1] * 1.3, 1)
    axes.set_ylim(bottom=0, top=top)
    axes.grid(axis="y", color="#eaeded", linewidth=0.8)
    axes.set_axisbelow(True)
    # The legend lies over the uppermost part.
    marks = MaxNLocator(4, integer=top > 2 or _counts(widget)).tick_values(0, top)
    axes.set_yticks([mark for mark in marks if 0 <= mark <= top * 0.86])
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.legend(
        loc="upper left",
        ncols=3,
        frameon=False,
        fontsize=8.5,
        borderaxespad=0.0,
        bbox_to_anchor=(-0.08, 1.04),
        handlelength=1.1,
        columnspacing=1.1,
    )


def _counts(widget: Mapping[str, Any]) -> bool:
    """Whether nothing between two whole numbers can be meant."""
    return all(curve.name.endswith("_total") or curve.name.startswith("jobs_") for curve in _curves(widget))


def _short(value: float, _place: object = None) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"
