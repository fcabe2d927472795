"""What an operator sends in again: as the message a webhook would have sent, taken away only after it was sent."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from reelkeeper.adapters.inbox import Waiting
from reelkeeper.adapters.queue import Letter
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, NotAMessage, Pointer, decode, encode, message_key, point
from reelkeeper.services.again import kept_callback, opened, read, redrive, send, take_in
from reelkeeper.services.by_hand import plan
from tests.unit.builders import JOB_ID, NOW, a_callback_body, a_job, a_message


@dataclass
class FakeQueue:
    """Takes messages until it is `down`; a dead-letter queue at the same time."""

    sent: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    down_after: int = 1_000

    def send(self, text: str) -> str:
        if len(self.sent) >= self.down_after:
            raise RetryLater("SQS is down")
        self.sent.append(text)
        return "id"

    def discard(self, letter: Letter) -> None:
        self.gone.append(letter.message_id)

    def put_back(self, letters: Iterable[Letter]) -> None:
        raise AssertionError


@dataclass
class FakeInbox:
    """Messages by key; text that is none of ours under a key that begins with `odd`."""

    messages: dict[str, Message] = field(default_factory=dict)

    def get(self, key: str) -> Message:
        if key.startswith("odd"):
            raise NotAMessage("somebody's own file")
        if key not in self.messages:
            raise Gone(f"nothing lies under {key}")
        return self.messages[key]

    def put(self, message: Message) -> str:
        key = message_key(message)
        self.messages[key] = message
        return key

    def delete(self, key: str) -> None:
        del self.messages[key]


@dataclass
class FakeLedger:
    kept: Message | Pointer | None

    def message(self, job_id: str) -> Message | Pointer | None:
        return self.kept


def a_letter(text: str, message_id: str = "m1") -> Letter:
    return Letter(message_id, "receipt", text, NOW, "a fault of ours")


def sent(queue: FakeQueue) -> list[Message | Pointer]:
    return [decode(text) for text in queue.sent]


def test_a_kept_callback_is_sent_word_for_word_and_as_the_operators() -> None:
    queue, inbox, message = FakeQueue(), FakeInbox(), a_message()
    known = kept_callback(JOB_ID, ledger=FakeLedger(message), inbox=inbox)
    assert known.job_id == JOB_ID
    send(known, queue=queue, inbox=inbox, at=NOW)
    (again,) = sent(queue)
    assert isinstance(again, Message)
    assert (again.body, again.query, again.origin) == (message.body, message.query, "operator")


def test_a_kept_callback_that_lies_in_the_bucket_is_read_there() -> None:
    inbox = FakeInbox({"callbacks/1.json": a_message()})
    for ledger, name in ((FakeLedger(Pointer("callbacks/1.json")), JOB_ID), (FakeLedger(None), "callbacks/1.json")):
        assert kept_callback(name, ledger=ledger, inbox=inbox).job_id == JOB_ID


def test_a_job_without_a_kept_callback_says_where_to_look() -> None:
    with pytest.raises(Gone, match="reelkeeper trace nobody"):
        kept_callback("nobody", ledger=FakeLedger(None), inbox=FakeInbox())


def test_what_is_too_large_for_the_queue_goes_by_the_inbox() -> None:
    queue, inbox = FakeQueue(), FakeInbox()
    large = a_message(body=b"x" * QUEUE_LIMIT_BYTES)
    send(read(large), queue=queue, inbox=inbox, at=NOW)
    (pointer,) = sent(queue)
    assert isinstance(pointer, Pointer)
    assert inbox.messages[pointer.key].origin == "operator"


def test_a_dead_letter_is_taken_away_only_after_it_was_sent() -> None:
    dead, queue, inbox = FakeQueue(), FakeQueue(down_after=1), FakeInbox()
    letters = [a_letter(encode(a_message()), name) for name in ("m1", "m2")]
    pairs = [(letter, opened(letter, inbox=inbox)) for letter in letters]
    with pytest.raises(RetryLater):
        redrive(pairs, queue=queue, dead_letters=dead, inbox=inbox, clock=lambda: NOW)
    assert (len(queue.sent), dead.gone) == (1, ["m1"])


def test_a_dead_letter_nothing_can_be_made_of_says_so() -> None:
    for text in ("not one of ours", point("inbox/gone.json")):
        with pytest.raises(Refused):
            opened(a_letter(text), inbox=FakeInbox())


def test_the_inbox_is_emptied_but_for_what_is_none_of_ours() -> None:
    queue, inbox = (
        FakeQueue(),
        FakeInbox({"inbox/1": a_message(), "inbox/2": a_message(a_callback_body(job_id="other").encode())}),
    )
    waiting = [Waiting(key, 100, NOW) for key in ("inbox/1", "odd", "inbox/2", "inbox/gone")]
    assert take_in(waiting, queue=queue, inbox=inbox, clock=lambda: NOW) == (2, ["odd", "inbox/gone"])
    assert inbox.messages == {}
    assert len(queue.sent) == 2


@pytest.mark.parametrize(
    ("job", "where"),
    [
        (a_job(JobState.SUBMITTED), "ask"),
        (a_job(JobState.FINISHED), "send"),
        (a_job(JobState.STORED), "send"),
        (a_job(JobState.FAILED, told_at=None), "send"),
        (a_job(JobState.FAILED, told_at=NOW), "rest"),
        (a_job(JobState.PUBLISHED, told_at=NOW), "audit"),
        (a_job(JobState.KEPT, told_at=NOW), "rest"),
    ],
)
def test_recovering_does_with_each_job_what_the_sweep_would(job: Job, where: str) -> None:
    planned = plan([job])
    assert getattr(planned, where) == (job,)
    assert planned.count == (0 if where == "rest" else 1)
