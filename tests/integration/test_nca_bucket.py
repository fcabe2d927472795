"""NCA's bucket as it is searched: listed with keys, guessed without, and never taken for more than it says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.nca import LIST_KEY, Nca, serve
from reelkeeper.adapters.nca_bucket import NcaBucket
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.evidence import Search
from reelkeeper.settings import NcaBucketSettings, SourceSettings

JOB = "596107c1-6a62-45a8-957d-fba778a09755"


@pytest.fixture
def nca() -> Iterator[Nca]:
    with serve() as nca:
        yield nca


def a_bucket(nca: Nca, *, key: str = "", url: str = "") -> NcaBucket:
    source = SourceSettings(hosts=frozenset(), local_hosts=frozenset({nca.host}), max_bytes=1_000)
    return NcaBucket(NcaBucketSettings(url or nca.bucket_url, ""), source, keys=(key, "secret" if key else ""))


def later() -> datetime:
    """Long enough after the files were written."""
    return datetime.now(UTC) + timedelta(minutes=6)


def put(nca: Nca, *names: str) -> list[str]:
    return [nca.storage.put_bytes(name, b"a film") for name in names]


def test_a_listing_finds_every_file_of_the_job_and_no_other(nca: Nca) -> None:
    urls = put(nca, f"{JOB}_output_0.mp4", f"{JOB}_output_0_thumbnail.jpg", f"{JOB}_output_10.mp4", f"{JOB}_output_2.mp4")
    put(nca, f"{JOB}1.mp4", "other.mp4")
    found = a_bucket(nca, key=LIST_KEY).search(JOB, at=later())
    assert found == Search((urls[0], urls[1], urls[3], urls[2]), whole=True, settled=True)


def test_a_listing_that_shows_nothing_is_proof(nca: Nca) -> None:
    assert a_bucket(nca, key=LIST_KEY).search(JOB, at=later()) == Search(whole=True)


def test_what_was_written_just_now_is_not_settled(nca: Nca) -> None:
    put(nca, f"{JOB}.mp4")
    assert not a_bucket(nca, key=LIST_KEY).search(JOB, at=datetime.now(UTC)).settled


def test_a_key_that_may_not_list_proves_nothing(nca: Nca) -> None:
    with pytest.raises(RetryLater, match="cannot be listed"):
        a_bucket(nca, key="wrong").search(JOB, at=later())


@pytest.mark.parametrize("ending", ["_output_0.mp4", ".mp4", "_output.mp4", "_captioned.mp4", "_split_1.mp4", ".mp3", ".srt"])
def test_without_keys_a_file_is_found_under_each_of_its_names(nca: Nca, ending: str) -> None:
    urls = put(nca, f"{JOB}{ending}")
    assert a_bucket(nca).search(JOB, at=later()) == Search(tuple(urls), whole=False, settled=True)


def test_without_keys_the_next_numbers_are_found_too(nca: Nca) -> None:
    urls = put(nca, *(f"{JOB}_split_{number}.mp4" for number in range(1, 13)))
    assert a_bucket(nca).search(JOB, at=later()).urls == tuple(urls)


def test_without_keys_nothing_found_is_no_proof(nca: Nca) -> None:
    assert a_bucket(nca).search(JOB, at=later()) == Search(whole=False)


def test_a_file_that_may_not_be_read_is_not_seen(nca: Nca) -> None:
    put(nca, f"{JOB}.mp4")
    nca.storage.end(f"{JOB}.mp4", after_s=0, ending="forbidden")
    assert a_bucket(nca).search(JOB, at=later()) == Search(whole=False)


def test_a_page_that_answers_to_every_name_is_no_file(nca: Nca) -> None:
    put(nca, f"{JOB}.mp4")
    nca.storage.spoil(f"{JOB}.mp4", html=True)
    assert a_bucket(nca).search(JOB, at=later()) == Search(whole=False)


def test_a_store_that_does_not_answer_is_asked_again_later(nca: Nca) -> None:
    closed = "http://127.0.0.1:9/storage/media"
    source = SourceSettings(hosts=frozenset(), local_hosts=frozenset({"127.0.0.1:9"}), max_bytes=1_000)
    with pytest.raises(RetryLater):
        NcaBucket(NcaBucketSettings(closed, ""), source).search(JOB, at=later())
