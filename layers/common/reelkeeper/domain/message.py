"""The one message that enters the queue, whoever found it out: a request to the webhook, verbatim.

A message that SQS would refuse for its size, or that SQS could not take at all, lies in the bucket's inbox; the queue then
carries a pointer to it (a claim check).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from reelkeeper.domain.moment import parse_moment, show_moment

Origin: TypeAlias = Literal["webhook", "poll", "operator"]

# SQS: 1 MiB for body and attributes together (AWS, "SQS message quotas", since August 2025); 4 KiB is kept for the attributes.
QUEUE_LIMIT_BYTES = 1024 * 1024 - 4096
# What waits to be taken onto the queue, and what is kept verbatim because the ledger cannot hold it.
INBOX_PREFIX, CALLBACKS_PREFIX = "inbox/", "callbacks/"


class NotAMessage(ValueError):
    """The text on the queue is not one of ours; the message says in what way."""


@dataclass(frozen=True, slots=True)
class Message:
    """A callback as it came: `body` and `query` untouched. `trace` is the X-Ray header of the request, if any."""

    body: bytes
    received_at: datetime
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    origin: Origin = "webhook"
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where in the inbox the message lies."""

    key: str


def encode(message: Message) -> str:
    """The message as ASCII JSON: SQS refuses some characters, none of which is ASCII."""
    try:
        body = {"body": message.body.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"body64": base64.b64encode(message.body).decode("ascii")}
    return json.dumps(
        {
            "v": 1,
            "origin": message.origin,
            "received_at": show_moment(message.received_at),
            "query": dict(message.query),
            "content_type": message.content_type,
            "trace": message.trace,
            **body,
        }
    )


def point(key: str) -> str:
    """The text of a claim check."""
    return json.dumps({"v": 1, "inbox": key})


def decode(text: str) -> Message | Pointer:
    """Read what `encode` or `point` wrote; raises `NotAMessage` for anything else."""
    try:
        value = json.loads(text)
        if "inbox" in value:
            return Pointer(key=str(value["inbox"]))
        body = base64.b64decode(value["body64"]) if "body64" in value else value["body"].encode("utf-8", "surrogatepass")
        return Message(
            body=body,
            received_at=parse_moment(value["received_at"]),
            query={str(name): str(one) for name, one in value["query"].items()},
            content_type=_text(value.get("content_type")),
            origin=value["origin"] if value.get("origin") in ("webhook", "poll", "operator") else "webhook",
            trace=_text(value.get("trace")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as error:
        raise NotAMessage(f"not a Reelkeeper message: {type(error).__name__}: {error}") from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def message_key(message: Message, prefix: str = INBOX_PREFIX) -> str:
    """A key that sorts by time of arrival, and that the same bytes at the same moment always get again."""
    at = message.received_at.astimezone(UTC)
    digest = hashlib.sha256(encode(message).encode()).hexdigest()[:24]
    return f"{prefix}{at:%Y/%m/%d}/{at:%H%M%S.%f}-{digest}.json"
