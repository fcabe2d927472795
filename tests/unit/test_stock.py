"""Taking stock: what is open, what is stuck, and what is neither."""

from datetime import timedelta

import pytest

from reelkeeper.domain.job import JobState
from reelkeeper.services.stock import take_stock
from reelkeeper.telemetry import flush
from tests.unit.builders import NOW, a_job
from tests.unit.fakes.ledger import FakeLedger
from tests.unit.printed import counts


@pytest.fixture
def ledger(capsys: pytest.CaptureFixture[str]) -> FakeLedger:
    flush()
    capsys.readouterr()
    return FakeLedger()


def test_no_open_job_is_a_measured_nothing(ledger: FakeLedger, capsys: pytest.CaptureFixture[str]) -> None:
    take_stock(ledger, at=NOW)
    assert counts(capsys) == {"jobs_open": 0, "jobs_stuck": 0, "oldest_open_seconds": 0}


def test_the_oldest_open_job_gives_its_age(ledger: FakeLedger, capsys: pytest.CaptureFixture[str]) -> None:
    for number, hours in enumerate((0.5, 3, 7)):
        since = NOW - timedelta(hours=hours)
        ledger.put(a_job(JobState.STORED, job_id=f"job-{number}", received_at=since, due_at=NOW + timedelta(hours=number)))
    take_stock(ledger, at=NOW)
    assert counts(capsys) == {"jobs_open": 3, "jobs_stuck": 2, "oldest_open_seconds": 7 * 3600}


def test_what_airtable_shows_already_is_not_open(ledger: FakeLedger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.put(a_job(JobState.PUBLISHED, received_at=NOW - timedelta(days=3)))
    ledger.put(a_job(JobState.KEPT, job_id="kept", received_at=NOW - timedelta(days=3), due_at=None))
    take_stock(ledger, at=NOW)
    assert counts(capsys) == {"jobs_open": 0, "jobs_stuck": 0, "oldest_open_seconds": 0}
