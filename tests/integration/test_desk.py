"""Telling Airtable, against the stand-in: whatever the base lacks or refuses costs that value, never the file nor the row."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from local.airtable import Served, serve
from local.airtable.faults import Kind
from local.nca import serve as serve_nca
from reelkeeper.adapters.airtable import Airtable, UnknownField
from reelkeeper.adapters.pace import UsedUp
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState, shown, told
from reelkeeper.domain.mapping import Mapping, read_mapping
from reelkeeper.services.ingesting import verify
from reelkeeper.services.preflight import Preflight
from reelkeeper.services.publish import Telling, publish
from tests.unit.builders import NOW, a_job, a_stored_output

MAPPING = read_mapping(files("reelkeeper").joinpath("mapping.toml").read_text("utf-8"))
FILM = b"film" * 100


@dataclass(slots=True)
class Watch:
    """A pace that lets everything through and remembers what it was told."""

    told: list[str] = field(default_factory=list)

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def refused(self) -> None:
        self.told.append("refused")

    def used_up(self) -> None:
        self.told.append("used up")


@dataclass(slots=True)
class Office:
    """The stand-in with the product's own adapter before it, and the address of a file that can be fetched."""

    served: Served
    url: str
    pace: Watch = field(default_factory=Watch)
    mapping: Mapping = MAPPING
    airtable: Airtable = field(init=False)

    def __post_init__(self) -> None:
        self.airtable = self.client()

    def client(self, token: str = "") -> Airtable:
        token = token or self.served.token
        return Airtable(token=token, base_id=self.served.base_id, endpoint=self.served.address, pace=self.pace)

    def jobs(self, count: int = 1, *, operation: str = "image_zoom", **changes: Any) -> list[Job]:
        """Stored jobs, with their own rows and their targets' in the base."""
        made = []
        table = self.mapping.operations[operation].table
        for number in range(count):
            target = self.served.base.create(table, {"Name": f"{number}"})
            row = self.served.base.create("Jobs", {"Status": "processing"})
            output = a_stored_output(key=f"outputs/job-{number}/0-film.mp4", size=len(FILM), permanent_url=self.url)
            job = a_job(JobState.STORED, job_id=f"job-{number}", record_id=row, target_id=target, operation=operation)
            made.append(replace(job, outputs=(output,), **changes))
        self.served.journal.clear()
        return made

    def publish(self, jobs: Sequence[Job]) -> dict[str, Telling]:
        return publish(jobs, airtable=self.airtable, mapping=self.mapping)

    def row(self, job: Job) -> dict[str, Any]:
        return self.served.base.get("Jobs", job.record_id or "")

    def target(self, job: Job) -> dict[str, Any]:
        return self.served.base.get(self.mapping.operations[job.operation or ""].table, job.target_id or "")

    def requests(self) -> int:
        return len(self.served.journal.all())

    def with_target(self, **changes: Any) -> None:
        """Let the mapping say something else about image_zoom."""
        target = replace(self.mapping.operations["image_zoom"], **changes)
        self.mapping = replace(self.mapping, operations=MappingProxyType({**self.mapping.operations, "image_zoom": target}))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with serve_nca() as nca, serve(clock=lambda: NOW, rate_limited=False) as served:
        yield Office(served, nca.put_input("film.mp4", FILM))


# What is told.


def test_ten_jobs_cost_two_reads_and_two_writes_and_every_row_is_whole(office: Office) -> None:
    jobs = office.jobs(10)
    tellings = office.publish(jobs)
    assert [telling.error for telling in tellings.values()] == [None] * 10
    assert office.requests() == 4
    for job in jobs:
        assert office.target(job)["Video URL"] == office.url
        assert office.target(job)["Status"] == "Video Ready"
        assert office.row(job)["Status"] == "completed"
        assert office.row(job)["History"] == "called back; stored 0.0 MB; attached"
        assert [one["id"] for one in office.target(job)["Video"]] == list(tellings[job.job_id].shown.attached)


def test_what_was_told_once_is_not_told_again_though_its_own_row_had_to_wait(office: Office) -> None:
    """Whatever a person changes in the target meanwhile is theirs."""
    (job,) = office.jobs()
    office.served.faults.add(Kind.RETRIABLE, method="PATCH", table="Jobs")
    telling = office.publish([job])[job.job_id]
    assert isinstance(telling.error, RetryLater)
    office.served.base.change("Segments", job.target_id or "", {"Status": "combined", "Video": []})
    assert office.publish([shown(job, telling.shown)])[job.job_id].error is None
    assert office.target(job)["Status"] == "combined"
    assert "Video" not in office.target(job)
    assert office.row(job)["Status"] == "completed"


def test_two_jobs_of_one_target_in_a_batch_keep_both_files(office: Office) -> None:
    first, second = office.jobs(2)
    second = replace(second, target_id=first.target_id)
    tellings = office.publish([first, second])
    assert [telling.error for telling in tellings.values()] == [None, None]
    assert len(office.target(first)["Video"]) == 2


def test_a_callback_that_was_lost_is_told_so_in_one_line(office: Office) -> None:
    (job,) = office.jobs(origin="poll", submitted_at=NOW - timedelta(minutes=6))
    office.publish([job])
    assert office.row(job)["History"] == "callback lost; found by polling after 6 min; stored 0.0 MB; attached"


# What the base lacks.


def test_a_base_without_the_history_field_costs_no_request_once_the_schema_is_known(office: Office) -> None:
    office.served.base.remove_field("Jobs", "History")
    Preflight(office.airtable, office.mapping).look(NOW)
    jobs = office.jobs(10)
    assert {telling.error for telling in office.publish(jobs).values()} == {None}
    assert office.requests() == 4


def test_without_the_scope_a_missing_field_is_found_out_once(office: Office) -> None:
    office.served.switches.without_schema_scope = True
    Preflight(office.airtable, office.mapping).look(NOW)
    office.served.base.remove_field("Jobs", "History")
    office.served.base.remove_field("Segments", "Video URL")
    for _ in range(2):
        jobs = office.jobs(10)
        assert {telling.error for telling in office.publish(jobs).values()} == {None}
        assert all(office.row(job)["Status"] == "completed" and office.target(job)["Video"] for job in jobs)
    # The first time each of the two fields costs the one request that was refused, and reads that name no fields.
    assert office.requests() == 4


@pytest.mark.parametrize("known", [True, False])
def test_a_missing_option_costs_the_status_and_neither_file_nor_row(office: Office, known: bool) -> None:
    office.with_target(success="Made")
    if known:
        Preflight(office.airtable, office.mapping).look(NOW)
    jobs = office.jobs(10)
    assert {telling.error for telling in office.publish(jobs).values()} == {None}
    for job in jobs:
        assert "Status" not in office.target(job)
        assert (len(office.target(job)["Video"]), office.target(job)["Video URL"]) == (1, office.url)
        assert "Made" in office.row(job)["Error Details"]
        assert office.row(job)["Status"] == "completed"
    assert office.requests() == 4 + (not known)


def test_an_option_the_jobs_own_status_lacks_is_an_error_that_names_it(office: Office) -> None:
    office.mapping = replace(MAPPING, jobs=replace(MAPPING.jobs, completed="done"))
    (job,) = office.jobs()
    error = office.publish([job])[job.job_id].error
    assert isinstance(error, Refused)
    assert '"done"' in error.reason
    assert office.row(job) == {"Status": "processing", **{name: office.row(job)[name] for name in ("Created", "Last Modified")}}
    # The file is told all the same.
    assert office.target(job)["Video URL"] == office.url


def test_one_row_that_is_refused_holds_up_no_other(office: Office) -> None:
    jobs = office.jobs(10)
    office.served.base.delete("Jobs", jobs[3].record_id or "")
    tellings = office.publish(jobs)
    assert [telling.error is None for telling in tellings.values()] == [number != 3 for number in range(10)]
    assert sum(office.row(job).get("Status") == "completed" for job in jobs if job is not jobs[3]) == 9


def test_what_somebody_adds_to_the_base_is_used_within_a_quarter_of_an_hour(office: Office) -> None:
    office.served.base.remove_field("Jobs", "History")
    preflight = Preflight(office.airtable, office.mapping)
    preflight.look(NOW)
    office.served.base.add_field("Jobs", "History")
    preflight.look(NOW + timedelta(minutes=14))
    assert office.airtable.lacks("Jobs", "History")
    preflight.look(NOW + timedelta(minutes=15))
    assert not office.airtable.lacks("Jobs", "History")
    office.served.journal.clear()
    preflight.look(NOW + timedelta(days=1))
    assert office.requests() == 0


# Attachments.


@pytest.mark.parametrize(
    ("changes", "size", "attached", "remark"),
    [
        ({}, 1_000_000_000, True, ""),
        ({}, 1_000_000_001, False, "the most is 1,000 MB"),
        ({"attach": "never"}, 10, False, ""),
        ({"attach": "below_mb", "attach_below_mb": 5}, 5_000_000, True, ""),
        ({"attach": "below_mb", "attach_below_mb": 5}, 5_000_001, False, "the most is 5 MB"),
    ],
)
def test_a_file_is_attached_as_the_mapping_and_airtables_limit_let_it_be(
    office: Office, changes: dict[str, Any], size: int, attached: bool, remark: str
) -> None:
    office.with_target(**changes)
    (job,) = office.jobs()
    job = replace(job, outputs=(replace(job.outputs[0], size=size),))
    assert office.publish([job])[job.job_id].error is None
    assert ("Video" in office.target(job)) is attached
    assert office.target(job)["Video URL"] == office.url
    assert office.target(job)["Status"] == "Video Ready"
    assert remark in office.row(job).get("Error Details", "")
    assert bool(remark) == ("Error Details" in office.row(job))


def test_a_write_that_leaves_the_attachment_out_although_it_is_answered_200_is_noticed(office: Office) -> None:
    office.served.switches.attachment_rate_too_high = True
    (job,) = office.jobs()
    error = office.publish([job])[job.job_id].error
    assert isinstance(error, RetryLater)
    assert error.delay == timedelta(seconds=30)
    assert office.target(job)["Video URL"] == office.url
    assert office.row(job)["Status"] == "processing"
    office.served.switches.attachment_rate_too_high = False
    assert office.publish([job])[job.job_id].error is None
    assert len(office.target(job)["Video"]) == 1
    assert office.row(job)["Status"] == "completed"


def test_a_file_that_airtable_never_can_fetch_is_tried_three_times_and_then_said(office: Office) -> None:
    office.served.ingest.most_bytes = 10
    (job,) = office.jobs()
    telling = office.publish([job])[job.job_id]
    job = told(shown(job, telling.shown), at=NOW, what="told")
    for _ in range(5):
        assert office.served.wait_ingested()
        one = verify([job], airtable=office.airtable, mapping=office.mapping, at=NOW)[job.job_id]
        job = one.job
        if not one.waits:
            break
    assert job.attach_tries == 2
    assert "could not fetch the file in 3 tries" in office.row(job)["Error Details"]
    assert len(office.served.journal.writes("Segments")) == 3


def test_a_dead_attachment_is_replaced_and_the_files_of_people_stay(office: Office) -> None:
    office.served.switches.dead_attachments = True
    office.served.ingest.most_bytes = 10
    (job,) = office.jobs()
    theirs = [{"url": office.url, "filename": "by hand.mp4"}]
    office.served.ingest.most_bytes = 10_000
    office.served.base.change("Segments", job.target_id or "", {"Video": theirs})
    assert office.served.wait_ingested()
    office.served.ingest.most_bytes = 10
    telling = office.publish([job])[job.job_id]
    assert office.served.wait_ingested()
    office.served.ingest.most_bytes = 10_000
    job = told(shown(job, telling.shown), at=NOW, what="told")
    assert verify([job], airtable=office.airtable, mapping=office.mapping, at=NOW)[job.job_id].waits
    assert office.served.wait_ingested()
    cell = office.target(job)["Video"]
    assert [(one["filename"], one.get("size")) for one in cell] == [("job-0-film.mp4", len(FILM)), ("by hand.mp4", len(FILM))]


# Errors.


def test_a_429_is_told_to_the_others_and_a_used_up_month_differently(office: Office) -> None:
    (job,) = office.jobs()
    office.served.rate.quota_used_up = True
    error = office.publish([job])[job.job_id].error
    assert isinstance(error, UsedUp)
    assert office.pace.told == ["used up"]
    office.served.rate.quota_used_up, office.served.rate.on = False, True
    for _ in range(4):
        office.publish([job])
    assert office.pace.told[-1] == "refused"


@pytest.mark.parametrize("kind", [Kind.PROXY_PAGE, Kind.TRUNCATED, Kind.DROP, Kind.ERROR, Kind.RETRIABLE])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_answer_that_is_none_is_tried_again_later(office: Office, kind: Kind, method: str) -> None:
    (job,) = office.jobs()
    office.served.faults.add(kind, method=method)
    assert isinstance(office.publish([job])[job.job_id].error, RetryLater)
    assert office.publish([job])[job.job_id].error is None
    assert len(office.target(job)["Video"]) == 1


def test_a_token_without_rights_says_which_it_needs(office: Office) -> None:
    (job,) = office.jobs()
    office.airtable = office.client("patWrong")
    error = office.publish([job])[job.job_id].error
    assert isinstance(error, Refused)
    assert "airtable_token" in error.reason


def test_a_field_that_is_asked_for_and_not_there_is_named(office: Office) -> None:
    with pytest.raises(UnknownField) as unknown:
        list(office.airtable.pages("Jobs", fields=["Nothing"]))
    assert unknown.value.field == "Nothing"
    assert office.airtable.lacks("Jobs", "Nothing")
