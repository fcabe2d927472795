"""The copy engine against real stores and a source that misbehaves: whole or not at all, resumed, never replacing anything.

Each test runs on a store that checks nothing (SeaweedFS, as Spaces, R2 and B2) and on one that checks everything (AWS).
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

import boto3
import pytest

from local.seaweedfs import Store
from local.stack import ROOT_KEYS, emulator
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.domain import checkpoint as notes
from reelkeeper.domain.errors import Different, Gone, Refused, RetryLater, Unfinished
from reelkeeper.domain.kept import Kept
from reelkeeper.domain.parts import MIB, crc32_text
from reelkeeper.domain.stores import Neighbours
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import StorageSettings
from tests.integration.origin import Mood, Origin, serve, some_bytes
from tests.integration.recording import Door, before

pytestmark = pytest.mark.xdist_group("seaweedfs")

FILM = some_bytes(37 * MIB + 11)
KEYS = (f"outputs/job-{number}/0-film.mp4" for number in count())


@dataclass(slots=True)
class Note:
    """A checkpoint in memory; `saved` is all that was ever written."""

    text: str | None = None
    saved: list[str | None] = field(default_factory=list)

    def load(self) -> str | None:
        return self.text

    def save(self, text: str | None) -> None:
        self.text = text
        self.saved.append(text)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A bucket that keeps: as the product sees it, as a test looks into it, and the address it answers at."""

    settings: StorageSettings
    keys: tuple[str, str] | None
    s3: Any
    endpoint: str
    name: str = "kept"

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.settings, keys=self.keys)

    def body(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def left_over(self, key: str) -> list[str]:
        """Uploads of a key that nobody has finished."""
        found = self.s3.list_multipart_uploads(Bucket=self.name, Prefix=key).get("Uploads", [])
        return [one["Key"] for one in found if one["Key"] == key]

    def is_there(self, key: str) -> bool:
        return key in [one["Key"] for one in self.s3.list_objects_v2(Bucket=self.name, Prefix=key).get("Contents", [])]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulator() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in {**ROOT_KEYS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        # What other tests' clients have made of their environment.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        boto3.client("s3").create_bucket(Bucket="kept")
        yield endpoint
        boto3.DEFAULT_SESSION = None


@pytest.fixture(params=["seaweedfs", "aws"])
def kept(request: pytest.FixtureRequest, store: Store) -> Shelf:
    if request.param == "aws":
        endpoint = request.getfixturevalue("aws")
        return Shelf(StorageSettings("kept", "http://x/{key}", "", "", "", "path"), None, boto3.client("s3"), endpoint)
    settings = store.settings("kept")
    return Shelf(settings, store.keys, store.client(), store.endpoint)


@pytest.fixture
def plain(store: Store) -> Shelf:
    """SeaweedFS alone, for what is the same with every store."""
    settings = store.settings("kept")
    return Shelf(settings, store.keys, store.client(), store.endpoint)


def copier(origin: Origin, kept: Shelf, **more: Any) -> Copier:
    return Copier(origin.source(), kept.bucket, **more)


def copy(origin: Origin, kept: Shelf, key: str, **more: Any) -> Kept:
    return copier(origin, kept).copy(origin.url, key, name="film.mp4", **more)


def behind(kept: Shelf, door: Door) -> Shelf:
    """The same bucket, seen through a door."""
    return replace(kept, settings=replace(kept.settings, endpoint=door.address))


def times(number: int, what: Any, wanted: Callable[[str, str], bool]) -> Callable[[str, str], Any]:
    """Answer so for the first `number` requests that are wanted, and not at all for others."""
    left = iter(range(number))
    return lambda method, target: what if wanted(method, target) and next(left, None) is not None else (what and None)


def is_part(method: str, target: str) -> bool:
    return method == "PUT" and "partNumber" in target


def is_complete(method: str, target: str) -> bool:
    return method == "POST" and "uploadId" in target


def test_a_large_file_goes_in_parts_and_comes_out_as_it_was(kept: Shelf) -> None:
    key = next(KEYS)
    heard: list[tuple[int, int | None]] = []
    with serve(FILM) as origin:
        done = copy(origin, kept, key, progress=lambda now, size: heard.append((now, size)))
    assert kept.body(key) == FILM
    assert (done.size, done.crc32, done.work.way) == (len(FILM), crc32_text(zlib.crc32(FILM)), "parts")
    assert done.work.read == len(FILM)
    assert max(heard) == (len(FILM), len(FILM))
    described = kept.s3.head_object(Bucket="kept", Key=key)
    assert described["ContentType"] == "video/mp4"
    assert kept.left_over(key) == []


@pytest.mark.parametrize("mood", [Mood.NO_RANGES, Mood.NO_LENGTH, Mood.NO_VALIDATOR, Mood.WEAK_ETAG])
@pytest.mark.parametrize("size", [len(FILM), 16 * MIB, 1000])
def test_a_source_without_ranges_length_or_validator_goes_in_one_stream(kept: Shelf, mood: Mood, size: int) -> None:
    key = next(KEYS)
    with serve(FILM[:size], mood) as origin:
        done = copy(origin, kept, key)
        assert origin.asked == ["bytes=0-"]
    assert kept.body(key) == FILM[:size]
    assert done.crc32 == crc32_text(zlib.crc32(FILM[:size]))


@pytest.mark.parametrize("mood", [Mood.SHORT, Mood.OTHER_LENGTH, Mood.BROKEN, Mood.BUSY])
def test_a_part_that_came_to_nothing_is_read_again_and_no_other(plain: Shelf, mood: Mood) -> None:
    key = next(KEYS)
    with serve(FILM) as origin:
        origin.mood, origin.after, origin.times = mood, 2, 3
        done = copy(origin, plain, key)
    assert plain.body(key) == FILM
    assert done.work.retries == 3
    assert done.work.read < len(FILM) + 3 * 8 * MIB


def test_an_empty_source_is_refused_and_leaves_nothing(plain: Shelf) -> None:
    key = next(KEYS)
    with serve(b"") as origin, pytest.raises(Refused, match="0 bytes"):
        copy(origin, plain, key)
    with serve(FILM, Mood.EMPTY) as origin, pytest.raises(Refused, match="0 bytes"):
        copy(origin, plain, key)
    assert not plain.is_there(key)


@pytest.mark.parametrize("mood", [Mood.SHORT, Mood.STALL, Mood.BROKEN, Mood.GONE])
def test_nothing_is_visible_of_a_copy_that_never_came_to_its_end(plain: Shelf, mood: Mood) -> None:
    key = next(KEYS)
    with serve(FILM) as origin:
        origin.mood, origin.after = mood, 3
        copying = Copier(origin.source(read_s=0.5), plain.bucket)
        with pytest.raises((RetryLater, Gone), match=r"film\.mp4\?…"):
            copying.copy(origin.url, key, name="film.mp4")
    assert not plain.is_there(key)
    assert plain.left_over(key) == []


def test_a_source_that_changes_under_the_copy_is_copied_as_it_is_now(kept: Shelf) -> None:
    key = next(KEYS)
    with serve(FILM) as origin:
        origin.changes = [(3, FILM[::-1], '"second"')]
        done = copy(origin, kept, key, checkpoint=Note())
    assert kept.body(key) == FILM[::-1]
    assert done.work.restarted
    assert kept.left_over(key) == []


def test_a_source_that_never_stays_the_same_is_left_for_later(plain: Shelf) -> None:
    key = next(KEYS)
    with serve(FILM) as origin:
        origin.changes = [(number, some_bytes(30 * MIB, number), f'"{number}"') for number in range(3, 60, 3)]
        with pytest.raises(RetryLater, match="begun anew, and in vain"):
            copy(origin, plain, key, checkpoint=Note())
    assert not plain.is_there(key)
    assert plain.left_over(key) == []


def interrupted(origin: Origin, kept: Shelf, key: str, note: Note, *, parts: int = 2) -> None:
    """A copy that ends after some parts, as if its worker had been killed: what it leaves is the upload and the note."""
    # A longer rest than a run waits for.
    origin.mood, origin.after, origin.retry_after = Mood.BUSY, len(origin.asked) + parts, "60"
    with pytest.raises(Unfinished, match=r"answers 429.*film\.mp4\?… to outputs/") as told:
        copier(origin, kept, width=1).copy(origin.url, key, name="film.mp4", checkpoint=note)
    assert told.value.delay is not None
    assert told.value.delay.total_seconds() == 60
    assert told.value.read > 0
    origin.mood = None
    assert not kept.is_there(key)
    assert kept.left_over(key) == [key]


def test_the_next_worker_goes_on_where_the_last_one_stopped(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        interrupted(origin, kept, key, note)
        done = copy(origin, kept, key, checkpoint=note)
    assert kept.body(key) == FILM
    assert done.crc32 == crc32_text(zlib.crc32(FILM))
    assert done.work.kept_before > 0
    assert done.work.kept_before + done.work.read == len(FILM)


def test_a_part_that_nobody_can_vouch_for_is_read_again(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        interrupted(origin, kept, key, note)
        saved = notes.read(note.text)
        assert saved is not None
        note.text = notes.write(replace(saved, crc32={}))
        done = copy(origin, kept, key, checkpoint=note)
    assert kept.body(key) == FILM
    # AWS tells the checksums of the parts itself.
    assert (done.work.kept_before > 0) == (kept.settings.endpoint == "")


def test_a_note_that_contradicts_the_store_is_not_believed(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        interrupted(origin, kept, key, note)
        saved = notes.read(note.text)
        assert saved is not None
        # One part of another length, sent by nobody we know.
        upload = kept.bucket.upload(key, saved.upload_id)
        kept.s3.upload_part(Bucket="kept", Key=key, UploadId=upload.id, PartNumber=1, Body=b"x" * (5 * MIB))
        copy(origin, kept, key, checkpoint=note)
    assert kept.body(key) == FILM


def test_parts_of_two_different_files_are_never_put_together(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        interrupted(origin, kept, key, note)
        origin.body, origin.etag = FILM[::-1], '"second"'
        done = copy(origin, kept, key, checkpoint=note)
    assert kept.body(key) == FILM[::-1]
    assert done.work.kept_before == 0
    assert kept.left_over(key) == []


def test_a_worker_killed_between_the_object_and_the_ledger_costs_no_second_copy(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        copy(origin, kept, key, checkpoint=note)
        # The note is still there: it is the caller who empties it, once he has written down what was kept.
        done = copy(origin, kept, key, checkpoint=note)
    assert (done.work.way, done.work.read) == ("found", 0)
    assert (done.size, done.crc32) == (len(FILM), crc32_text(zlib.crc32(FILM)))
    assert kept.left_over(key) == []


def test_an_upload_whose_note_was_lost_is_thrown_away_by_the_next_copy(kept: Shelf) -> None:
    key = next(KEYS)
    with serve(FILM) as origin:
        interrupted(origin, kept, key, Note())
        copy(origin, kept, key, checkpoint=Note())
    assert kept.body(key) == FILM
    assert kept.left_over(key) == []


def test_a_copy_that_nobody_goes_on_with_is_forgotten(kept: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        interrupted(origin, kept, key, note)
        copier(origin, kept).forget(note)
        copier(origin, kept).forget(note)
    assert kept.left_over(key) == []
    assert note.text is None


def test_a_copy_stops_in_time_and_goes_on_in_the_next_run(plain: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin:
        runs = 0
        while True:
            runs += 1
            # A clock that runs by chunks: each question costs a second.
            left_s = partial(next, iter(range(60, -(10**6), -1)))
            try:
                done = copier(origin, plain, width=2).copy(origin.url, key, name="film.mp4", checkpoint=note, left_s=left_s)
            except Unfinished:
                continue
            break
    assert runs > 1
    assert plain.body(key) == FILM
    assert done.crc32 == crc32_text(zlib.crc32(FILM))


def test_with_no_time_at_all_nothing_is_begun(plain: Shelf) -> None:
    key = next(KEYS)
    with serve(FILM) as origin, pytest.raises(RetryLater):
        copier(origin, plain, width=1).copy(origin.url, key, name="film.mp4", checkpoint=Note(), left_s=lambda: 0.0)
    assert plain.left_over(key) == []
    assert not plain.is_there(key)


@pytest.mark.parametrize("first", [FILM[::-1], b"another", FILM[:-1]])
@pytest.mark.parametrize("second", [FILM, b"a small one"])
def test_a_finished_object_is_never_replaced_by_another_file(kept: Shelf, first: bytes, second: bytes) -> None:
    key = next(KEYS)
    with serve(first) as origin:
        copy(origin, kept, key)
        origin.body = second
        with pytest.raises(Different, match=f"{len(first)} bytes is under {key} already"):
            copy(origin, kept, key)
    assert kept.body(key) == first
    assert kept.left_over(key) == []


@pytest.mark.parametrize("body", [FILM, b"a small one"])
def test_the_same_file_once_more_is_found_to_be_there(kept: Shelf, body: bytes) -> None:
    key = next(KEYS)
    with serve(body) as origin:
        first = copy(origin, kept, key)
        second = copy(origin, kept, key)
    assert second.work.way == "found"
    assert (second.size, second.crc32) == (first.size, first.crc32)
    assert kept.left_over(key) == []


def test_one_host_has_no_more_connections_than_it_is_given(plain: Shelf) -> None:
    with serve(FILM) as origin:
        copier(origin, plain, width=3).copy(origin.url, next(KEYS), name="film.mp4")
        assert 1 < origin.most_at_once <= 3


# What the store does.


def test_a_conflict_begins_the_upload_anew(plain: Shelf) -> None:
    """AWS, "Conditional writes": after 409 a multipart upload is created anew and its parts are sent again."""
    key = next(KEYS)
    with serve(FILM) as origin, before(plain.endpoint) as door:
        door.refuse = times(1, (409, "ConditionalRequestConflict"), is_complete)
        done = copy(origin, behind(plain, door), key, checkpoint=Note())
        assert len([one for one in door.requests if one.method == "POST" and one.target.endswith("?uploads")]) == 2
    assert plain.body(key) == FILM
    assert done.work.restarted
    assert plain.left_over(key) == []


def test_a_conflict_repeats_a_put(plain: Shelf) -> None:
    key = next(KEYS)
    with serve(b"a small one") as origin, before(plain.endpoint) as door:
        door.refuse = times(1, (409, "ConditionalRequestConflict"), lambda method, _: method == "PUT")
        copy(origin, behind(plain, door), key)
    assert plain.body(key) == b"a small one"


@pytest.mark.parametrize("answer", [(503, "SlowDown"), (500, "InternalError"), (400, "BadDigest")])
def test_a_part_the_store_did_not_take_is_sent_again(plain: Shelf, answer: tuple[int, str]) -> None:
    key = next(KEYS)
    with serve(FILM) as origin, before(plain.endpoint) as door:
        door.refuse = times(2, answer, is_part)
        done = copy(origin, behind(plain, door), key)
    assert plain.body(key) == FILM
    assert done.work.retries == 2


def test_missing_rights_wait_for_a_person_and_the_parts_for_the_rights(plain: Shelf) -> None:
    key, note = next(KEYS), Note()
    with serve(FILM) as origin, before(plain.endpoint) as door:
        door.refuse = lambda method, target: (403, "AccessDenied") if is_part(method, target) else None
        with pytest.raises(RetryLater, match="AccessDenied") as told:
            copy(origin, behind(plain, door), key, checkpoint=note)
        assert told.value.delay is not None
        assert told.value.delay.total_seconds() >= 60
        copy(origin, plain, key, checkpoint=note)
    assert plain.body(key) == FILM


def test_an_upload_that_vanished_is_begun_anew(plain: Shelf) -> None:
    key = next(KEYS)
    with serve(FILM) as origin, before(plain.endpoint) as door:
        door.refuse = times(1, (404, "NoSuchUpload"), is_part)
        copy(origin, behind(plain, door), key, checkpoint=Note())
    assert plain.body(key) == FILM
    assert plain.left_over(key) == []


def test_an_answer_that_was_lost_is_no_second_object(plain: Shelf) -> None:
    """The store completed the upload and its answer never came: the repetition finds no upload, and the object."""
    key = next(KEYS)
    with serve(FILM) as origin, before(plain.endpoint) as door:
        left = iter([True])
        door.mute = lambda method, target: is_complete(method, target) and next(left, False)
        done = copy(origin, behind(plain, door), key, checkpoint=Note())
    assert plain.body(key) == FILM
    assert done.size == len(FILM)


def test_bytes_that_change_on_their_way_are_noticed_by_aws_and_sent_again(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = next(KEYS)
    with serve(FILM) as origin, before(aws) as door:
        left = iter([1, 2])

        def spoil(method: str, target: str, body: bytes) -> bytes:
            if is_part(method, target) and next(left, None) is not None:
                return body[:1_000_000] + bytes([body[1_000_000] ^ 1]) + body[1_000_001:]
            return body

        door.spoil = spoil
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.address)
        settings = StorageSettings("kept", "http://x/{key}", "", "", "", "path")
        done = Copier(origin.source(), Bucket(settings)).copy(origin.url, key, name="film.mp4")
    assert done.work.retries == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    assert boto3.client("s3").get_object(Bucket="kept", Key=key)["Body"].read() == FILM


# Within the store.


@pytest.mark.parametrize("name", ["small.mp4", "large.mp4", "huge.mp4"])
def test_what_lies_in_the_store_is_copied_by_the_store(plain: Shelf, store: Store, name: str) -> None:
    key = next(KEYS)
    if name == "huge.mp4":
        # Above what one request copies.
        store.client().put_object(Bucket="made", Key=name, Body=some_bytes(8 * MIB) * 17 + b"end")
    with before(store.endpoint) as door, serve(b"") as nowhere:
        settings = replace(plain.settings, endpoint=door.address, neighbours=Neighbours(door.address, frozenset({"made"})))
        nowhere.host = door.address.partition("//")[2]
        copying = Copier(nowhere.source(), Bucket(settings, keys=store.keys), copied_whole=100 * MIB)
        done = copying.copy(f"{door.address}/made/{name}", key, name="film.webm", checkpoint=Note())
        in_parts = [one for one in door.requests if is_part(one.method, one.target)]
        assert bool(in_parts) == (name == "huge.mp4")
        assert not [one for one in door.requests if one.method == "GET" and "made" in one.target]
    assert (done.work.way, done.work.read) == ("server-side", 0)
    assert plain.body(key) == store.client().get_object(Bucket="made", Key=name)["Body"].read()
    described = plain.s3.head_object(Bucket="kept", Key=key)
    assert described["ContentType"] == "video/webm"
    assert "immutable" in described["CacheControl"]
    assert plain.left_over(key) == []


@pytest.mark.parametrize("answer", [(403, "AccessDenied"), (501, "NotImplemented"), (412, "PreconditionFailed")])
def test_what_the_store_will_not_copy_passes_through_here(plain: Shelf, store: Store, answer: tuple[int, str]) -> None:
    key = next(KEYS)
    with before(store.endpoint) as door, serve(b"") as nowhere:
        copies: list[str] = []

        def refuse(method: str, target: str) -> tuple[int, str] | None:
            if method == "PUT" and target.startswith("/kept/") and "partNumber" not in target:
                copies.append(target)
                return answer
            return None

        door.refuse = refuse
        settings = replace(plain.settings, endpoint=door.address, neighbours=Neighbours(door.address, frozenset({"made"})))
        nowhere.host = door.address.partition("//")[2]
        copying = Copier(nowhere.source(), Bucket(settings, keys=store.keys))
        done = copying.copy(f"{door.address}/made/large.mp4", key, name="film.mp4")
        assert copies
    assert done.work.way == "parts"
    assert plain.body(key) == store.client().get_object(Bucket="made", Key="large.mp4")["Body"].read()


def test_what_we_keep_for_ourselves_is_nobodys_output(plain: Shelf) -> None:
    bucket = Bucket(replace(plain.settings, neighbours=Neighbours(plain.endpoint, frozenset({"kept"}))), keys=plain.keys)
    assert bucket.neighbour(f"{plain.endpoint}/kept/outputs/a.mp4") is not None
    for private in ("inbox/2026/a.json", "callbacks/a.json", "quarantine/job/a.mp4"):
        assert bucket.neighbour(f"{plain.endpoint}/kept/{private}") is None
