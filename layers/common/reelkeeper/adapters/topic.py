"""Messages to people: the stack's SNS topic, which mails them to whoever AlarmEmail names."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater
from reelkeeper.telemetry import logger

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: ASCII, fewer than 100 characters, no line break; 256 KB of text.
_SUBJECT_CHARS = 99
_TEXT_CHARS = 60_000


class Topic:
    """One topic; without a client (no TOPIC_ARN) what is said is in the log alone."""

    def __init__(self, client: "Callable[[], SNSClient] | None" = None, arn: str = "") -> None:
        self._client = client
        self._arn = arn

    def say(self, subject: str, text: str) -> None:
        """Tell people; raises RetryLater where SNS does not take it."""
        logger.error("people told", subject=subject, text=text)
        if self._client is None or not self._arn:
            return
        title = " ".join(subject.encode("ascii", "replace").decode().split())[:_SUBJECT_CHARS]
        try:
            self._client().publish(TopicArn=self._arn, Subject=title, Message=text[:_TEXT_CHARS])
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"SNS did not take the message to people: {error}") from error
