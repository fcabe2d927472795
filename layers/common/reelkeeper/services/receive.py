"""Receive a callback: authenticated, it is stored before anything else happens, and only then answered (rule 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, encode, point

Way: TypeAlias = Literal["queued", "claimed", "inboxed", "refused", "looked", "unstored"]


class Queue(Protocol):
    def send(self, text: str, *, trace: str | None = None) -> str: ...


class Inbox(Protocol):
    def put(self, message: Message) -> str: ...


class Tokens(Protocol):
    def accept(self, candidate: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the webhook, its body as the bytes that were sent; `trace` is X-Ray's header of this run."""

    method: str
    token: str
    query: Mapping[str, str]
    body: bytes
    content_type: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller hears, and which way the callback went: the queue, the inbox with or without a pointer, or nowhere."""

    status: int
    text: str
    way: Way
    message_id: str | None = None
    reason: str | None = None


def receive(request: Request, *, tokens: Tokens, queue: Queue, inbox: Inbox, at: datetime) -> Answer:
    """Store an authenticated callback verbatim and answer 202 with its id; 401 for a wrong token; 503 when nothing takes it."""
    try:
        if not tokens.accept(request.token):
            return Answer(401, "unknown token: copy WEBHOOK_BASE_URL again from the stack's output", "refused")
    except RetryLater as error:
        return Answer(503, "the token cannot be checked right now; try again", "unstored", reason=error.reason)
    if request.method == "GET":
        return Answer(200, "Reelkeeper listens here. NCA reports finished jobs to this address by POST.", "looked")
    message = Message(
        body=request.body,
        received_at=at,
        query=request.query,
        content_type=request.content_type,
        trace=request.trace,
    )
    return _store(message, queue=queue, inbox=inbox)


def _store(message: Message, *, queue: Queue, inbox: Inbox) -> Answer:
    text = encode(message)
    reason = None
    try:
        if len(text) <= QUEUE_LIMIT_BYTES:
            message_id = queue.send(text, trace=message.trace)
            return Answer(202, "stored", "queued", message_id)
    except RetryLater as error:
        reason = error.reason
    try:
        key = inbox.put(message)
    except RetryLater as error:
        both = f"{reason}; {error.reason}" if reason else error.reason
        return Answer(503, "nothing could take the callback right now; try again", "unstored", reason=both)
    if reason is None:
        try:
            return Answer(202, "stored", "claimed", queue.send(point(key), trace=message.trace))
        except RetryLater as error:
            reason = error.reason
    # The poller goes through the inbox, so what only lies there is late, not lost.
    return Answer(202, "stored", "inboxed", key, reason)
