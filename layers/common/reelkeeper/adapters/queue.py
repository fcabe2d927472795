"""The queue and its dead letters: the only module that talks to SQS."""

from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# SQS: a message can stay hidden for twelve hours at most.
_LONGEST_HIDING_S = 43_000


class Queue:
    """One SQS queue by its URL."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, text: str, *, delay: timedelta = timedelta()) -> str:
        """Put a message on the queue and return its id; raises RetryLater when SQS does not take it."""
        try:
            answer = self._client.send_message(
                QueueUrl=self._url, MessageBody=text, DelaySeconds=min(int(delay.total_seconds()), 900)
            )
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not take the message: {error}") from error
        return answer["MessageId"]

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

    def hide(self, receipt: str, *, delay: timedelta) -> None:
        """Let a message come back after `delay` rather than after the queue's own long time."""
        seconds = min(max(int(delay.total_seconds()), 0), _LONGEST_HIDING_S)
        try:
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SQS did not change the visibility: {error}") from error
