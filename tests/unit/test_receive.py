"""The webhook stores first (rule 1 of the design): whatever carries the token is kept verbatim before it is answered."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, Pointer, decode, encode, message_key
from reelkeeper.services.receive import Answer, Request, receive
from tests.unit.builders import NOW, a_callback_body


class FakeQueue:
    """Takes a text as SQS does, unless it is full; the first `sends` of them only, where that is set."""

    def __init__(self, *, sends: int = 1_000) -> None:
        self.texts: list[str] = []
        self.sends = sends

    def send(self, text: str, *, trace: str | None = None) -> str:
        if len(self.texts) >= self.sends:
            raise RetryLater("SQS is down")
        assert len(text.encode()) <= QUEUE_LIMIT_BYTES
        self.texts.append(text)
        return f"message-{len(self.texts)}"

    @property
    def messages(self) -> list[Message | Pointer]:
        return [decode(text) for text in self.texts]


class FakeInbox:
    def __init__(self, *, down: bool = False) -> None:
        self.messages: dict[str, Message] = {}
        self.down = down

    def put(self, message: Message) -> str:
        if self.down:
            raise RetryLater("S3 is down")
        key = message_key(message)
        self.messages[key] = decoded(encode(message))
        return key


class FakeTokens:
    def __init__(self, *, down: bool = False) -> None:
        self.down = down

    def accept(self, candidate: str) -> bool:
        if self.down:
            raise RetryLater("Secrets Manager is down")
        return candidate == "good"


def decoded(text: str) -> Message:
    message = decode(text)
    assert isinstance(message, Message)
    return message


def a_request(body: bytes = a_callback_body().encode(), *, method: str = "POST", token: str = "good") -> Request:
    return Request(
        method=method,
        token=token,
        query={"job_id": "recJob", "operation": "combine"},
        body=body,
        content_type="application/json",
        trace="Root=1-5e",
    )


def answer_to(
    request: Request, *, queue: FakeQueue | None = None, inbox: FakeInbox | None = None, tokens: FakeTokens | None = None
) -> tuple[Answer, FakeQueue, FakeInbox]:
    queue, inbox, tokens = queue or FakeQueue(), inbox or FakeInbox(), tokens or FakeTokens()
    return receive(request, tokens=tokens, queue=queue, inbox=inbox, at=NOW), queue, inbox


def test_a_callback_is_on_the_queue_before_it_is_answered() -> None:
    answer, queue, inbox = answer_to(a_request())
    assert answer == Answer(202, "stored", "queued", "message-1")
    assert queue.messages == [
        Message(
            body=a_callback_body().encode(),
            received_at=NOW,
            query={"job_id": "recJob", "operation": "combine"},
            content_type="application/json",
            origin="webhook",
            trace="Root=1-5e",
        )
    ]
    assert not inbox.messages


@given(st.binary(max_size=300))
def test_what_nobody_can_read_is_stored_verbatim(body: bytes) -> None:
    answer, queue, _ = answer_to(a_request(body))
    assert answer.status == 202
    assert [decoded(text).body for text in queue.texts] == [body]


def test_a_repetition_is_stored_and_answered_alike() -> None:
    queue = FakeQueue()
    answers = [answer_to(a_request(), queue=queue)[0].status for _ in range(3)]
    assert (answers, len(queue.texts)) == ([202] * 3, 3)


@pytest.mark.parametrize("body", [b"x" * QUEUE_LIMIT_BYTES, b"\xff" * 900_000, b"\x00" * 200_000, "é".encode() * 200_000])
def test_what_is_too_large_for_the_queue_lies_in_the_inbox_with_a_claim_check(body: bytes) -> None:
    answer, queue, inbox = answer_to(a_request(body))
    [(key, message)] = inbox.messages.items()
    assert (answer.status, answer.way, answer.reason) == (202, "claimed", None)
    assert queue.messages == [Pointer(key)]
    assert message.body == body


def test_the_largest_that_fits_needs_no_claim_check() -> None:
    room = QUEUE_LIMIT_BYTES - len(
        encode(decoded(encode(Message(b"", NOW, a_request().query, "application/json", trace="Root=1-5e"))))
    )
    assert answer_to(a_request(b"x" * room))[0].way == "queued"
    assert answer_to(a_request(b"x" * (room + 1)))[0].way == "claimed"


def test_when_the_queue_is_down_the_inbox_has_it() -> None:
    answer, queue, inbox = answer_to(a_request(), queue=FakeQueue(sends=0))
    [(key, message)] = inbox.messages.items()
    assert answer == Answer(202, "stored", "inboxed", key, "SQS is down")
    assert message.body == a_callback_body().encode()
    assert not queue.texts


def test_a_claim_check_that_the_queue_does_not_take_is_late_not_lost() -> None:
    answer, _, inbox = answer_to(a_request(b"x" * QUEUE_LIMIT_BYTES), queue=FakeQueue(sends=0))
    assert (answer.status, answer.way, answer.reason) == (202, "inboxed", "SQS is down")
    assert len(inbox.messages) == 1


@pytest.mark.parametrize(
    ("body", "reason"), [(b"x", "SQS is down; S3 is down"), (b"x" * QUEUE_LIMIT_BYTES, "S3 is down")], ids=["small", "large"]
)
def test_what_nothing_takes_is_not_acknowledged(body: bytes, reason: str) -> None:
    answer, _, _ = answer_to(a_request(body), queue=FakeQueue(sends=0), inbox=FakeInbox(down=True))
    assert (answer.status, answer.way, answer.message_id, answer.reason) == (503, "unstored", None, reason)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("token", ["", "bad", "good "])
def test_a_wrong_token_stores_nothing(method: str, token: str) -> None:
    answer, queue, inbox = answer_to(a_request(method=method, token=token))
    assert (answer.status, answer.way, answer.message_id) == (401, "refused", None)
    assert not queue.texts
    assert not inbox.messages


def test_a_token_that_cannot_be_checked_is_neither_right_nor_wrong() -> None:
    answer, queue, inbox = answer_to(a_request(), tokens=FakeTokens(down=True))
    assert (answer.status, answer.way, answer.reason) == (503, "unstored", "Secrets Manager is down")
    assert not queue.texts
    assert not inbox.messages


def test_whoever_looks_is_greeted_and_stores_nothing() -> None:
    answer, queue, inbox = answer_to(a_request(b"", method="GET"))
    assert (answer.status, answer.way) == (200, "looked")
    assert not queue.texts
    assert not inbox.messages


def test_no_answer_repeats_the_token_or_the_body() -> None:
    for request in (a_request(b"5ecret"), a_request(b"5ecret", token="5ecret"), a_request(b"5ecret", method="GET")):
        assert "5ecret" not in json.dumps(answer_to(request)[0].text)
