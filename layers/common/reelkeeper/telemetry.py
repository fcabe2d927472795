"""What the functions tell of themselves: log lines, each with the job it is about, and metrics, counted until `flush`.

    record(Metric.FILES_STORED_TOTAL)
    record(Metric.CALLBACKS_TOTAL, origin=message.origin)
    with about(**of(job)):
        logger.info("outputs copied", state=job.state)

The names of metrics are in `metric.py`. Nothing is printed before `flush`, so that a command on a person's screen is not
disturbed by what the services count.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from reelkeeper.metric import NAMESPACE, OTHER, Metric

if TYPE_CHECKING:
    from reelkeeper.domain.job import Job

logger = Logger(utc=True)

_Dimensions = tuple[tuple[str, str], ...]
_Place = tuple[Metric, _Dimensions]
_counted: dict[_Place, list[float]] = {}
# What else is to be sent before a run ends.
_last_words: list[Callable[[], None]] = []
_lock = threading.Lock()


def record(metric: Metric, value: float = 1, **dimensions: str) -> None:
    """Count an event, or note a measured value, from any thread; a dimension's value that is not listed becomes `other`."""
    if dimensions.keys() != metric.dimensions.keys():
        raise TypeError(f"{metric.label} has the dimensions {sorted(metric.dimensions)}, not {sorted(dimensions)}")
    known = tuple((name, one if one in metric.dimensions[name] else OTHER) for name, one in sorted(dimensions.items()))
    with _lock:
        values = _counted.setdefault((metric, known), [])
        if values and metric.label.endswith("_total"):
            values[0] += value
        else:
            values.append(value)


def flush() -> None:
    """Print what was counted since the last time, in CloudWatch's embedded format: one line for each set of dimensions."""
    with _lock:
        counted = dict(_counted)
        _counted.clear()
    lines = {known: _line(known) for known in dict.fromkeys(known for _, known in counted)}
    for (metric, known), values in counted.items():
        for value in values:
            # Powertools prints a line that is full (100 metrics, or values of one) and goes on with an empty one.
            lines[known].add_metric(metric.label, metric.unit, value)
    for line in lines.values():
        if line.metric_set:
            line.flush_metrics()
    for send in _last_words:
        send()


@contextmanager
def one_run() -> Iterator[None]:
    """Around a handler: what was counted is printed however the run ends, and a fault nobody caught is one line, too."""
    try:
        yield
    except Exception:
        logger.exception("run failed on a fault of ours")
        raise
    finally:
        flush()


def at_the_end(send: Callable[[], None]) -> None:
    """Have this called by each `flush`, in place of what was given before."""
    _last_words[:] = [send]


def _line(known: _Dimensions) -> EphemeralMetrics:
    line = _emptied(known)
    if known:
        line.add_dimensions(service=logger.service, **dict(known))
    return line


@cache
def _emptied(known: _Dimensions) -> EphemeralMetrics:  # noqa: ARG001 - one for each set of dimensions, used again and again
    return EphemeralMetrics(namespace=NAMESPACE, service=logger.service)


def of(job: "Job", **more: object) -> dict[str, Any]:
    """The keys a line about a job always has, and `more`: `logger.info("swept up", **of(job, reason=…))`."""
    return {"job_id": job.job_id, "record_id": job.record_id, "origin": job.origin, **more}


@contextmanager
def about(**keys: str | None) -> Iterator[None]:
    """Every line logged by this thread until the block ends carries these keys; those of a block around it come back."""
    before = dict(logger.thread_safe_get_current_keys())
    logger.thread_safe_append_keys(**keys)
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()
        logger.thread_safe_append_keys(**before)
