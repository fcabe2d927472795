"""The metrics: printed as CloudWatch reads them, counted from every thread, and listed in docs/metrics.md as in the code."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from reelkeeper.domain.incident import Kind
from reelkeeper.domain.job import JobState, move
from reelkeeper.domain.message import Origin
from reelkeeper.metric import NAMESPACE, Metric
from reelkeeper.services.tally import tally
from reelkeeper.telemetry import flush, record
from tests.unit.builders import NOW, a_job, a_stored_output
from tests.unit.cloudformation import ROOT, environment
from tests.unit.printed import counts, printed


@pytest.fixture(autouse=True)
def nothing_counted_yet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    flush()
    capsys.readouterr()
    yield
    flush()


def documented() -> dict[str, tuple[str, ...]]:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) \| (.+?) \|$", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    return {name: tuple(rest) for name, *rest in rows}


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.label)
def test_the_docs_say_of_a_metric_what_the_code_says(metric: Metric) -> None:
    dimensions = "; ".join(f"`{name}`: {', '.join(values)}" for name, values in metric.dimensions.items())
    assert documented()[metric.label] == (metric.unit, dimensions, metric.meaning)


def test_the_docs_list_no_metric_that_is_not_in_the_code() -> None:
    assert list(documented()) == [metric.label for metric in Metric]


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.label)
def test_a_metrics_name_says_its_unit_and_its_dimensions_are_few(metric: Metric) -> None:
    if metric.label.endswith("_seconds"):
        assert metric.unit == "Seconds"
    if metric.unit == "Seconds":
        assert metric.label.endswith("_seconds")
    assert len(metric.dimensions) <= 1
    assert all(len(values) <= 10 for values in metric.dimensions.values())


@pytest.mark.parametrize("function", ["WebhookFunction", "PersistFunction", "PollerFunction"])
def test_the_template_names_the_same_namespace(function: str) -> None:
    assert environment(function)["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE


def test_events_are_counted_and_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        record(Metric.WEBHOOK_RECEIVED_TOTAL)
    (line,) = printed(capsys)
    assert line["webhook_received_total"] == [3]
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert printed(capsys) == []


def test_a_dimension_is_published_apart_and_in_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    record(Metric.CALLBACKS_TOTAL, origin="webhook")
    record(Metric.CALLBACKS_TOTAL, origin="poll")
    lines = printed(capsys)
    assert [line["origin"] for line in lines] == ["webhook", "poll"]
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"], ["service", "origin"]] for line in lines)
    assert all(line["service"] for line in lines)


def test_two_metrics_of_one_dimension_share_a_line_and_count_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    record(Metric.CALLBACKS_TOTAL, origin="poll")
    record(Metric.JOB_DURATION_SECONDS, 5, origin="poll")
    for _ in range(2):
        record(Metric.CALLBACKS_TOTAL, origin="poll")
        record(Metric.JOB_DURATION_SECONDS, 5, origin="poll")
        (line,) = printed(capsys)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert [one["Name"] for one in directive["Metrics"]] == ["callbacks_total", "job_duration_seconds"]
        assert directive["Dimensions"] == [["service"], ["service", "origin"]]


def test_a_value_nobody_foresaw_makes_no_metric_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    record(Metric.CALLBACKS_TOTAL, origin="a stranger's text")
    assert counts(capsys) == {"callbacks_total other": 1}


def test_a_forgotten_dimension_is_a_fault() -> None:
    with pytest.raises(TypeError, match="callbacks_total has the dimensions"):
        record(Metric.CALLBACKS_TOTAL)


def test_more_values_than_a_line_holds_take_several_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for value in range(250):
        record(Metric.SWEEP_SECONDS, value)
    lines = printed(capsys)
    assert [len(line["sweep_seconds"]) for line in lines] == [100, 100, 50]
    assert sorted(value for line in lines for value in line["sweep_seconds"]) == list(range(250))


def test_no_count_is_lost_between_threads(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: record(Metric.FILES_STORED_TOTAL), range(2000)))
    assert counts(capsys) == {"files_stored_total": 2000}


def test_a_job_counts_each_state_once(capsys: pytest.CaptureFixture[str]) -> None:
    job = a_job()
    finished = move(job, JobState.FINISHED, at=NOW, why="test", due_at=NOW)
    tally(None, job)
    tally(job, finished)
    tally(finished, replace(finished, attempts=1))
    assert counts(capsys) == {"jobs_total submitted": 1, "jobs_total finished": 1, f"callbacks_total {job.origin}": 1}


def test_a_file_counts_when_it_is_verified_and_never_again(capsys: pytest.CaptureFixture[str]) -> None:
    job = a_job(JobState.FINISHED, outputs=(replace(a_stored_output(), stored_at=None), a_stored_output(1)))
    kept = replace(job, outputs=(a_stored_output(size=4_000_000), a_stored_output(1)))
    tally(job, kept)
    tally(kept, replace(kept, attempts=1))
    assert counts(capsys) == {"files_stored_total": 1, "bytes_stored_total": 4_000_000}


def test_a_job_that_the_poller_found_counts_as_recovered_once_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    stored = replace(a_job(JobState.STORED), origin="poll", submitted_at=NOW)
    shown = move(stored, JobState.PUBLISHED, at=NOW + timedelta(minutes=6), why="test", due_at=None)
    tally(stored, shown)
    assert counts(capsys) == {"jobs_total published": 1, "job_duration_seconds poll": 360, "jobs_recovered_total": 1}


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.label)
def test_a_metric_that_is_listed_is_counted_somewhere(metric: Metric) -> None:
    places = [*(ROOT / "layers" / "common" / "reelkeeper").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    counted = re.compile(rf"\bMetric\.{metric.name}\b")
    assert [path for path in places if path.name != "metric.py" and counted.search(path.read_text())]


def test_the_values_of_a_dimension_are_the_codes_own() -> None:
    assert Metric.JOBS_TOTAL.dimensions["state"] == tuple(JobState)
    assert Metric.CALLBACKS_TOTAL.dimensions["origin"] == get_args(Origin)
    assert set(Kind) < set(Metric.INCIDENTS_TOTAL.dimensions["kind"])
