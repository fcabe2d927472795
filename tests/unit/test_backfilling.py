"""The backfill: what has no permanent address is found, sent in as NCA would have, and told without touching anything else."""

from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.domain.backfilling import Candidate, candidates, message_of, standing
from reelkeeper.domain.callback import parse
from reelkeeper.domain.job import JobState
from reelkeeper.domain.mapping import Target
from reelkeeper.domain.message import Message, decode, encode
from reelkeeper.services.audit import audit
from reelkeeper.services.backfill import find, send
from tests.unit.builders import NOW, a_job
from tests.unit.fakes.outside import MAPPING, Fakes
from tests.unit.line import Line

FILM = b"film" * 50
LINK = "https://v5.airtableusercontent.com/v3/u/40/opaque"
TARGET = Target(table="Videos", attachment="Video", url="Video URL")
HOSTS = frozenset({"nca.example.com"})


def an_attachment(**changes: Any) -> dict[str, Any]:
    return {"id": "attFilm", "url": LINK, "filename": "film.mp4", "size": len(FILM)} | changes


def of(fields: dict[str, Any]) -> list[Candidate]:
    return list(candidates("combine", TARGET, "recVideo", fields, permanent="https://kept.example.net", source_hosts=HOSTS))


@pytest.mark.parametrize(
    ("fields", "url", "identity"),
    [
        ({"Video": [an_attachment()]}, LINK, "attFilm"),
        ({"Video": [an_attachment()], "Video URL": "https://nca.example.com/b/a.mp4"}, LINK, "attFilm"),
        ({"Video URL": "https://nca.example.com/b/a.mp4"}, "https://nca.example.com/b/a.mp4", None),
        ({"Video URL": " https://s3.x.com/a.mp4?X-Amz-Signature=1 "}, "https://s3.x.com/a.mp4?X-Amz-Signature=1", None),
        ({"Video URL": "https://v5.airtableusercontent.com/x"}, "https://v5.airtableusercontent.com/x", None),
    ],
)
def test_what_lives_at_an_address_that_dies_is_found(fields: dict[str, Any], url: str, identity: str | None) -> None:
    (found,) = of(fields)
    assert found.source_url == url
    assert found.job_id.startswith("backfill-recVideo-Video")
    if identity == "attFilm":
        assert found.job_id == "backfill-recVideo-Video-attFilm"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Video": []},
        {"Video": [an_attachment()], "Video URL": "https://kept.example.net/outputs/a.mp4"},
        {"Video URL": "https://youtube.com/watch?v=1"},
        # Airtable is still fetching it, or never will: there is nothing to copy yet.
        {"Video": [{"id": "attX", "url": LINK, "filename": "x.mp4"}]},
    ],
)
def test_what_is_kept_already_or_elsewhere_is_left_alone(fields: dict[str, Any]) -> None:
    assert of(fields) == []


def test_the_same_file_gets_the_same_job_however_often_one_looks() -> None:
    (one,), (other,) = of({"Video": [an_attachment()]}), of({"Video": [an_attachment(url=f"{LINK}-an-hour-later")]})
    assert one.job_id == other.job_id


def test_it_is_sent_in_as_a_callback_with_the_name_that_the_link_does_not_show() -> None:
    (found,) = of({"Video": [an_attachment()]})
    message = decode(encode(message_of(found, at=NOW)))
    assert isinstance(message, Message)
    callback = parse(message.body, message.query)
    assert (callback.job_id, callback.outcome, callback.target_id) == (found.job_id, "success", "recVideo")
    assert [(output.url, output.name) for output in callback.outputs] == [(LINK, "film.mp4")]
    assert message.origin == "operator"


@pytest.mark.parametrize(
    ("state", "known"),
    [
        (JobState.FINISHED, "under way"),
        (JobState.STORED, "under way"),
        (JobState.PUBLISHED, "kept"),
        (JobState.KEPT, "kept"),
        (JobState.LOST, "lost"),
        (JobState.REJECTED, "rejected"),
    ],
)
def test_how_far_a_file_is_follows_from_its_job(state: JobState, known: str) -> None:
    assert standing(a_job(state)) == known


def test_a_file_nobody_has_heard_of_is_new() -> None:
    assert standing(None) == "new"


# All the way.


@pytest.fixture
def fakes() -> Fakes:
    """A base from before Reelkeeper: two videos with attachments, one with an address of NCA, one with nothing."""
    fakes = Fakes()
    videos = fakes.airtable.tables["Videos"]
    videos["recA"] = {"Name": "A", "Combined Segments Video": [an_attachment()]}
    videos["recB"] = {"Name": "B", "Combined Segments Video URL": "https://nca.example.com/b/b.mp4"}
    videos["recC"] = {"Name": "C"}
    fakes.source.files[LINK] = FILM
    fakes.source.files["https://nca.example.com/b/b.mp4"] = FILM
    return fakes


def run(fakes: Fakes) -> list[tuple[str, str]]:
    """One run of the command and of persist; returns what was found and how far it was."""
    found = list(
        find(
            airtable=fakes.airtable,
            ledger=fakes.ledger,
            mapping=MAPPING,
            permanent="https://kept.example.net/{key}",
            source_hosts=HOSTS,
            tables=("Videos",),
        )
    )
    for one in found:
        if one.standing in ("new", "lost"):
            send(one.candidate, queue=fakes.queue, clock=fakes.clock)
    work(fakes)
    return [(one.candidate.record_id, one.standing) for one in found]


def work(fakes: Fakes) -> None:
    """Persist whatever is on the queue."""
    Line(fakes).run(most=50)


def test_every_file_gets_its_permanent_address_and_a_second_run_finds_nothing(fakes: Fakes) -> None:
    assert run(fakes) == [("recA", "new"), ("recB", "new")]
    videos = fakes.airtable.tables["Videos"]
    urls = [str(videos[record]["Combined Segments Video URL"]) for record in ("recA", "recB")]
    assert all(url.startswith("https://kept.example.net/outputs/backfill-") for url in urls)
    assert all(fakes.bucket.objects[url.removeprefix("https://kept.example.net/")] == FILM for url in urls)
    # Airtable's own copy stays as it is; where it had none it is attached.
    assert videos["recA"]["Combined Segments Video"] == [an_attachment()]
    assert len(videos["recB"]["Combined Segments Video"]) == 1  # type: ignore[arg-type]
    assert videos["recA"].keys() == {"Name", "Combined Segments Video", "Combined Segments Video URL"}
    assert run(fakes) == []


def test_an_address_that_somebody_has_put_there_meanwhile_is_theirs(fakes: Fakes) -> None:
    fakes.source.on_read = lambda _: fakes.airtable.tables["Videos"]["recA"].update(
        {"Combined Segments Video URL": "https://theirs.example"}
    )
    run(fakes)
    assert fakes.airtable.tables["Videos"]["recA"]["Combined Segments Video URL"] == "https://theirs.example"


def test_a_file_that_is_gone_changes_nothing_in_its_row_and_is_tried_again_by_the_next_run(fakes: Fakes) -> None:
    del fakes.source.files[LINK]
    run(fakes)
    while fakes.queue.waiting:
        fakes.clock.move(timedelta(minutes=20))
        work(fakes)
    job_id = "backfill-recA-Combined_Segments_Video-attFilm"
    job = fakes.ledger.job(job_id)
    if job.state is JobState.FINISHED:
        # Parked in the ledger, which the poller sends in again.
        fakes.queue.send(encode(fakes.ledger.messages[job_id]))  # type: ignore[arg-type]
        work(fakes)
        job = fakes.ledger.job(job_id)
    assert (job.state, job.due_at) == (JobState.LOST, None)
    assert fakes.airtable.tables["Videos"]["recA"] == {"Name": "A", "Combined Segments Video": [an_attachment()]}
    fakes.source.files[LINK] = FILM
    assert run(fakes) == [("recA", "lost")]
    assert fakes.ledger.job(job_id).state is JobState.PUBLISHED


def test_what_the_backfill_kept_is_audited_like_any_other_file(fakes: Fakes) -> None:
    run(fakes)
    for by in (timedelta(minutes=10), timedelta(days=8)):
        fakes.airtable.fetch("Videos", "recB", "Combined Segments Video", size=len(FILM))
        fakes.clock.move(by)
        due = list(fakes.ledger.due(now=fakes.clock(), limit=10))
        audit(due, outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=fakes.clock() + timedelta(minutes=1))
    assert {from_.state for from_ in map(fakes.ledger.job, fakes.ledger.items)} == {JobState.KEPT}
    assert fakes.airtable.tables["Videos"]["recA"]["Combined Segments Video"] == [an_attachment()]


def test_a_base_without_an_address_field_has_no_place_for_one(fakes: Fakes) -> None:
    fakes.airtable._lacking = frozenset({("Videos", "Combined Segments Video URL")})
    assert run(fakes) == []
