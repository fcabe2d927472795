"""What an operator sends in again: a kept callback, a dead letter, what waits in the inbox; on the one way in, the queue.

Each is sent before it is taken away from where it lay: whoever is interrupted between the two has sent it twice, which has one
effect.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from reelkeeper.adapters.inbox import Waiting
from reelkeeper.adapters.queue import Letter
from reelkeeper.domain.callback import Callback, parse
from reelkeeper.domain.errors import Gone, Refused
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, NotAMessage, Pointer, decode, encode, point
from reelkeeper.domain.receiving import job_key

# So long nobody else sees the dead letters while a person decides; an interrupted command leaves them to this.
WHILE_DECIDING = timedelta(minutes=5)


class Queue(Protocol):
    def send(self, text: str) -> str: ...


class DeadLetters(Protocol):
    def put_back(self, letters: Iterable[Letter]) -> None: ...
    def discard(self, letter: Letter) -> None: ...


class Inbox(Protocol):
    def get(self, key: str) -> Message: ...
    def put(self, message: Message) -> str: ...
    def delete(self, key: str) -> None: ...


class Ledger(Protocol):
    def message(self, job_id: str) -> Message | Pointer | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A message that can be sent in again, and what it says."""

    message: Message
    callback: Callback

    @property
    def job_id(self) -> str:
        """The job it is about, by the ledger's key."""
        return job_key(self.callback, self.message.body)


def kept_callback(job_id: str, *, ledger: Ledger, inbox: Inbox) -> Known:
    """The last callback the ledger keeps of a job, or the one under a key of the bucket; raises Gone where there is none."""
    if job_id.startswith(("inbox/", "callbacks/")):
        return read(inbox.get(job_id))
    kept = ledger.message(job_id)
    if kept is None:
        raise Gone(f"The ledger keeps no callback of {job_id!r}. Where it may be: reelkeeper trace {job_id}")
    return read(inbox.get(kept.key) if isinstance(kept, Pointer) else kept)


def read(message: Message) -> Known:
    """A message with what it says."""
    return Known(message, parse(message.body, message.query))


def send(known: Known, *, queue: Queue, inbox: Inbox, at: datetime) -> str:
    """Send a message in as the operator's; one too large for the queue goes by the inbox, as a webhook's would."""
    message = replace(known.message, origin="operator", received_at=at)
    text = encode(message)
    return queue.send(text if len(text) <= QUEUE_LIMIT_BYTES else point(inbox.put(message)))


def opened(letter: Letter, *, inbox: Inbox) -> Known:
    """What a dead letter says; raises Refused with the reason for one that nothing can be made of."""
    try:
        message = decode(letter.text)
        return read(inbox.get(message.key) if isinstance(message, Pointer) else message)
    except (NotAMessage, Gone) as error:
        raise Refused(str(error)) from error


def redrive(
    letters: Iterable[tuple[Letter, Known]],
    *,
    queue: Queue,
    dead_letters: DeadLetters,
    inbox: Inbox,
    clock: Callable[[], datetime],
) -> int:
    """Send dead letters in again, one after the other, and take each off the dead letters; returns how many."""
    sent = 0
    for letter, known in letters:
        send(known, queue=queue, inbox=inbox, at=clock())
        dead_letters.discard(letter)
        sent += 1
    return sent


def take_in(waiting: Iterable[Waiting], *, queue: Queue, inbox: Inbox, clock: Callable[[], datetime]) -> tuple[int, list[str]]:
    """Send in what lies in the inbox; returns how many, and the keys of what was gone or is none of ours."""
    sent, left = 0, []
    for one in waiting:
        try:
            known = read(inbox.get(one.key))
        except (Gone, NotAMessage):
            left.append(one.key)
            continue
        send(known, queue=queue, inbox=inbox, at=clock())
        inbox.delete(one.key)
        sent += 1
    return sent, left
