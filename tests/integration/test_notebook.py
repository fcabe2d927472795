"""The notes beside the jobs, on a table made from the template: what is written down is read again, and won once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.notebook import Notebook
from reelkeeper.domain.callback import Sender
from reelkeeper.domain.fleet import Fleet, see, watch
from reelkeeper.domain.incident import Kind
from tests.unit.builders import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture
def notebook(dynamodb: Any) -> Notebook:
    return Notebook(dynamodb, "ledger")


def test_one_sweep_at_a_time_until_it_ends_or_its_time_is_over(notebook: Notebook) -> None:
    assert notebook.begin_sweep(owner="one", now=NOW, until=NOW + 5 * MINUTE)
    assert not notebook.begin_sweep(owner="two", now=NOW + MINUTE, until=NOW + 6 * MINUTE)
    notebook.end_sweep(owner="two")
    assert not notebook.begin_sweep(owner="two", now=NOW + MINUTE, until=NOW + 6 * MINUTE)
    notebook.end_sweep(owner="one")
    assert notebook.begin_sweep(owner="two", now=NOW + MINUTE, until=NOW + 6 * MINUTE)
    assert notebook.begin_sweep(owner="three", now=NOW + 7 * MINUTE, until=NOW + 9 * MINUTE)


def test_the_fleet_is_read_as_it_was_written(notebook: Notebook) -> None:
    assert notebook.fleet() == Fleet()
    fleet = see(Fleet(), [Sender("1", "2"), Sender("3", "4")], at=NOW)
    fleet = watch(see(fleet, [Sender("1", "2")], at=NOW + MINUTE), {"a": "queued"}, at=NOW)
    notebook.keep_fleet(fleet)
    assert notebook.fleet() == fleet
    moving = watch(fleet, {"a": "running"}, at=NOW)
    notebook.keep_fleet(moving)
    assert notebook.fleet() == moving


def test_durations_are_counted_by_operation(notebook: Notebook) -> None:
    for seconds in (10, 11, 12, 2_000):
        notebook.observe("combine", seconds)
    known = notebook.durations(["combine", "unheard"])
    assert (known["combine"].known, known["unheard"].known) == (4, 0)
    median = known["combine"].quantile(0.5)
    assert median is not None
    assert 10 <= median.total_seconds() <= 15


def test_a_callback_ends_the_silence(notebook: Notebook) -> None:
    notebook.found(NOW)
    assert notebook.found(NOW + 90 * MINUTE).silent(at=NOW + 90 * MINUTE, after=60 * MINUTE)
    notebook.heard(NOW + 91 * MINUTE)
    assert not notebook.found(NOW + 95 * MINUTE).silent(at=NOW + 95 * MINUTE, after=60 * MINUTE)
    assert notebook.found(NOW + 156 * MINUTE).silent(at=NOW + 156 * MINUTE, after=60 * MINUTE)


def test_what_many_count_at_once_stops_at_its_limit(notebook: Notebook) -> None:
    with ThreadPoolExecutor(8) as many:
        counts = list(many.map(lambda _: notebook.count("letter", limit=3, until=NOW), range(20)))
    assert sum(1 for count in counts if count is not None) == 3
    assert notebook.counted("letter") == 3
    assert notebook.counted("another") == 0


def test_an_incident_is_opened_once_seen_again_and_ended_once(notebook: Notebook) -> None:
    assert notebook.incident(Kind.NCA_RESTARTED) is None
    assert notebook.open_incident(Kind.NCA_RESTARTED, what="3 jobs", at=NOW)
    assert not notebook.open_incident(Kind.NCA_RESTARTED, what="2 jobs", at=NOW + MINUTE)
    known = notebook.incident(Kind.NCA_RESTARTED)
    assert known is not None
    assert (known.what, known.opened_at, known.seen_at) == ("3 jobs", NOW, NOW + MINUTE)
    assert not known.over(at=NOW + 30 * MINUTE)
    assert known.over(at=NOW + 31 * MINUTE)
    assert notebook.end_incident(Kind.NCA_RESTARTED, at=NOW + 31 * MINUTE)
    assert not notebook.end_incident(Kind.NCA_RESTARTED, at=NOW + 31 * MINUTE)
    assert notebook.open_incident(Kind.NCA_RESTARTED, what="1 job", at=NOW + 60 * MINUTE)


def test_notes_are_no_jobs(notebook: Notebook, ledger: Ledger) -> None:
    notebook.begin_sweep(owner="one", now=NOW, until=NOW)
    notebook.count("letter", limit=3, until=NOW)
    assert ledger.known([" sweep", " count letter"]) == frozenset()
    assert ledger.get(" sweep") is None
    assert list(ledger.due(now=NOW, limit=10)) == []
