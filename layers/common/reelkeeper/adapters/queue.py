"""The queue and its dead letters: the only module that talks to SQS."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES
from reelkeeper.domain.trace import trace_header
from reelkeeper.telemetry import logger

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# SQS: a message can stay hidden for twelve hours at most.
_LONGEST_HIDING_S = 43_000
# SQS: ten messages and 1 MiB in one request.
_MESSAGES_A_BATCH, _BYTES_A_BATCH = 10, QUEUE_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Letter:
    """One message taken from a queue to be looked at: hidden from others until it is put back, deleted or its time is over.

    `reason` is None where SQS itself moved it here, after too many tries that ended in a crash.
    """

    message_id: str
    receipt: str
    text: str
    sent_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Length:
    """About how many messages wait, are being worked on, and are hidden for a time of their own."""

    waiting: int
    in_work: int
    delayed: int


class Queue:
    """One SQS queue by its URL."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, text: str, *, delay: timedelta = timedelta(), trace: str | None = None) -> str:
        """Put a message on the queue and return its id; raises RetryLater when SQS does not take it.

        `trace` is X-Ray's header of what led to it: Lambda links the run that receives the message to it.
        """
        header = trace_header(trace)
        attributes: Any = (
            {"MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}} if header else {}
        )
        try:
            answer = self._client.send_message(
                QueueUrl=self._url, MessageBody=text, DelaySeconds=min(int(delay.total_seconds()), 900), **attributes
            )
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not take the message: {error}") from error
        return answer["MessageId"]

    def send_all(self, texts: Sequence[str]) -> tuple[int, ...]:
        """Put many messages on the queue, as many in each request as it takes; returns the places of those SQS did not take."""
        left: list[int] = []
        for places in _batches(texts):
            entries: Any = [{"Id": str(place), "MessageBody": texts[place]} for place in places]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                logger.warning("SQS did not take a batch of messages", reason=str(error), messages=len(places))
                left += places
            else:
                left += [int(one["Id"]) for one in answer.get("Failed", ())]
        return tuple(left)

    def bury(self, text: str, *, reason: str) -> None:
        """Send a message to this (dead-letter) queue with the reason as an attribute an operator can read."""
        # SQS refuses control characters and half of a surrogate pair, and with them the whole message.
        readable = "".join(char if char.isprintable() else " " for char in reason[:900]).strip() or "unknown"
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=text,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": readable}},
            )
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not take the dead letter: {error}") from error

    def delete(self, receipt: str) -> None:
        """Take a message off the queue before its batch is through; one that is gone already is fine."""
        try:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not delete the message: {error}") from error

    def hide(self, receipt: str, *, delay: timedelta) -> None:
        """Let a message come back after `delay` rather than after the queue's own long time."""
        seconds = min(max(int(delay.total_seconds()), 0), _LONGEST_HIDING_S)
        try:
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not change the visibility: {error}") from error

    def length(self) -> Length:
        """How full the queue is, as far as SQS knows at this moment."""
        try:
            found = self._client.get_queue_attributes(
                QueueUrl=self._url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )["Attributes"]
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not tell the queue's length: {error}") from error
        return Length(
            waiting=int(found["ApproximateNumberOfMessages"]),
            in_work=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
        )

    def take(self, *, limit: int, hidden: timedelta) -> Iterator[Letter]:
        """Messages to be looked at, each hidden for this long; only of a queue that nobody else works on."""
        taken = 0
        while taken < limit:
            try:
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(10, limit - taken),
                    VisibilityTimeout=int(hidden.total_seconds()),
                    # SQS then looks on all its servers; without, it may say "none" while there are some.
                    WaitTimeSeconds=1,
                    MessageAttributeNames=["reason"],
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            except (BotoCoreError, ClientError) as error:
                raise RetryLater(f"SQS did not hand out its messages: {error}") from error
            found = answer.get("Messages", [])
            if not found:
                return
            taken += len(found)
            for one in found:
                attributes = one.get("MessageAttributes", {})
                yield Letter(
                    message_id=one["MessageId"],
                    receipt=one["ReceiptHandle"],
                    text=one["Body"],
                    sent_at=datetime.fromtimestamp(int(one["Attributes"]["SentTimestamp"]) / 1000, UTC),
                    reason=attributes["reason"].get("StringValue") if "reason" in attributes else None,
                )

    def put_back(self, letters: Iterable[Letter]) -> None:
        """Let these be seen again at once."""
        for letter in letters:
            self.hide(letter.receipt, delay=timedelta())

    def discard(self, letter: Letter) -> None:
        """Take a message off the queue for good."""
        try:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not delete the message: {error}") from error


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """The places of these texts, in portions that one request may carry."""
    batch: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        if batch and (len(batch) == _MESSAGES_A_BATCH or size + len(text) > _BYTES_A_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(text)
    if batch:
        yield batch
