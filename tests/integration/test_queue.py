"""The queue on SQS as moto plays it: messages whole, hidden for their time, buried with a reason one can read."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from reelkeeper.adapters.queue import Queue
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, decode, encode
from tests.unit.builders import a_message


@pytest.fixture
def sqs(aws: None) -> Any:
    return boto3.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    made: str = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
    return made


@pytest.fixture
def queue(sqs: Any, url: str) -> Queue:
    return Queue(sqs, url)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages", [])
    return found


@pytest.mark.parametrize("body", [b"", b'{"code": 200}', b"\xff\x00\x1b[0m", "\ufffe\u0000 \U0001f3ac".encode()], ids=repr)
def test_a_message_goes_through_as_it_is(sqs: Any, url: str, queue: Queue, body: bytes) -> None:
    """SQS refuses some characters; the message is ASCII whatever it carries."""
    message_id = queue.send(encode(a_message(body)))
    [one] = received(sqs, url)
    assert one["MessageId"] == message_id
    assert decode(one["Body"]) == a_message(body)


def test_the_largest_message_fits_with_its_reason_when_it_is_buried(sqs: Any, url: str, queue: Queue) -> None:
    text = "x" * QUEUE_LIMIT_BYTES
    queue.send(text)
    queue.bury(text, reason="é" * 5_000)
    assert [len(one["Body"]) for one in received(sqs, url)] == [QUEUE_LIMIT_BYTES] * 2


def test_a_delayed_message_is_not_there_yet(sqs: Any, url: str, queue: Queue) -> None:
    queue.send("later", delay=timedelta(minutes=5))
    queue.send("much later", delay=timedelta(hours=5))
    assert received(sqs, url) == []


def test_a_hidden_message_is_away_and_comes_back_counted(sqs: Any, url: str, queue: Queue) -> None:
    queue.send("text")
    [one] = received(sqs, url)
    queue.hide(one["ReceiptHandle"], delay=timedelta(hours=30))
    assert received(sqs, url) == []
    queue.hide(one["ReceiptHandle"], delay=timedelta(seconds=-1))
    [again] = received(sqs, url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("a fault of ours: KeyError: 'id'", "a fault of ours: KeyError: 'id'"),
        ("", "unknown"),
        ("\x00", "unknown"),
        ("two\nlines\x1b[31m", "two lines [31m"),
        ("half \ud83c of a pair", "half   of a pair"),
        ("x" * 2_000, "x" * 900),
    ],
)
def test_a_dead_letter_carries_a_reason_one_can_read(sqs: Any, url: str, queue: Queue, reason: str, shown: str) -> None:
    queue.bury("text", reason=reason)
    [one] = received(sqs, url)
    assert (one["Body"], one["MessageAttributes"]["reason"]["StringValue"]) == ("text", shown)


@pytest.mark.parametrize(
    "call",
    [
        lambda queue: queue.send("text"),
        lambda queue: queue.bury("text", reason="why"),
        lambda queue: queue.hide("receipt", delay=timedelta(seconds=1)),
    ],
    ids=["send", "bury", "hide"],
)
def test_a_queue_that_is_not_there_is_tried_later(sqs: Any, call: Callable[[Queue], object]) -> None:
    with pytest.raises(RetryLater, match=r"^SQS did not .*exist"):
        call(Queue(sqs, "https://sqs.us-east-1.amazonaws.com/123456789012/nowhere"))


@pytest.mark.parametrize(
    ("trace", "carried"),
    [
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"),
        ("what a stranger sent", None),
        (None, None),
    ],
)
def test_the_trace_travels_with_the_message_and_a_strangers_header_does_not(
    sqs: Any, url: str, queue: Queue, trace: str | None, carried: str | None
) -> None:
    queue.send("text", trace=trace)
    [one] = received(sqs, url)
    assert one["Attributes"].get("AWSTraceHeader") == carried
