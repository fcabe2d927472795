"""The inbox on S3 as moto plays it: what lies there comes out as it went in, oldest first, and leaves when it was taken."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from reelkeeper.adapters.inbox import Inbox
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.message import CALLBACKS_PREFIX, INBOX_PREFIX, NotAMessage, encode, point
from tests.unit.builders import NOW, a_message


@pytest.fixture
def s3(aws: None) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket="kept")
    return client


@pytest.fixture
def inbox(s3: Any) -> Inbox:
    return Inbox(lambda: s3, "kept")


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"\xff" * 6_000_000], ids=len)
def test_a_message_comes_out_as_it_went_in(inbox: Inbox, body: bytes) -> None:
    key = inbox.put(a_message(body))
    assert key.startswith(INBOX_PREFIX)
    assert inbox.get(key) == a_message(body)


def test_the_same_message_lies_there_once(inbox: Inbox) -> None:
    assert inbox.put(a_message()) == inbox.put(a_message())
    assert len(list(inbox.waiting())) == 1


def test_what_waits_is_listed_oldest_first_over_all_pages(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    keys = [inbox.put(a_message(received_at=NOW + timedelta(days=day))) for day in (40, 0, 3, 8, 2, 1, 400, 5)]
    inbox.put(a_message(), CALLBACKS_PREFIX)
    assert [one.key for one in inbox.waiting()] == sorted(keys)


def test_a_waiting_message_says_how_large_it_is(inbox: Inbox) -> None:
    inbox.put(a_message())
    [one] = inbox.waiting()
    assert one.size == len(encode(a_message()))


def test_a_message_that_was_taken_is_gone_and_may_be_taken_again(inbox: Inbox) -> None:
    key = inbox.put(a_message())
    inbox.delete(key)
    inbox.delete(key)
    with pytest.raises(Gone):
        inbox.get(key)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", point("inbox/another.json").encode()], ids=repr)
def test_a_strangers_file_is_no_message(inbox: Inbox, s3: Any, body: bytes) -> None:
    s3.put_object(Bucket="kept", Key="inbox/note.txt", Body=body)
    with pytest.raises(NotAMessage):
        inbox.get("inbox/note.txt")


@pytest.mark.parametrize(
    "call",
    [
        lambda inbox: inbox.put(a_message()),
        lambda inbox: inbox.get("inbox/x"),
        lambda inbox: list(inbox.waiting()),
        lambda inbox: inbox.delete("inbox/x"),
    ],
    ids=["put", "get", "list", "delete"],
)
def test_a_bucket_that_is_not_there_is_tried_later(s3: Any, call: Callable[[Inbox], object]) -> None:
    with pytest.raises(RetryLater, match="the inbox"):
        call(Inbox(lambda: s3, "nowhere"))


def test_the_client_is_made_on_first_use_and_once(s3: Any) -> None:
    clients = iter([s3])
    inbox = Inbox(lambda: next(clients), "kept")
    inbox.put(a_message())
    inbox.put(a_message())
    assert next(clients, None) is None
