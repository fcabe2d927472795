"""Messages in the bucket: in the inbox what the queue could not take, under `callbacks/` what the ledger could not hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.message import INBOX_PREFIX, Message, NotAMessage, Pointer, decode, encode, message_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message in the inbox: its size in bytes, and since when it lies there."""

    key: str
    size: int
    since: datetime


class Inbox:
    """The `inbox/` prefix of one bucket; the client is made on first use, since most callbacks never need it."""

    def __init__(self, client: Callable[[], "S3Client"], bucket: str) -> None:
        self._make_client = client
        self._made: S3Client | None = None
        self._bucket = bucket

    def put(self, message: Message, prefix: str = INBOX_PREFIX) -> str:
        """Store a message and return its key; the same message always gets the same key."""
        key = message_key(message, prefix)
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=encode(message).encode(), ContentType="application/json")
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"the inbox did not take the message: {error}") from error
        return key

    def get(self, key: str) -> Message:
        """Read a message back; raises Gone where there is none, NotAMessage where it is not one."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                raise Gone(f"nothing lies in the inbox under {key}") from error
            raise RetryLater(f"the inbox cannot be read: {error}") from error
        except BotoCoreError as error:
            raise RetryLater(f"the inbox cannot be read: {error}") from error
        message = decode(body.decode("utf-8", "replace"))
        if isinstance(message, Pointer):
            raise NotAMessage(f"{key} points on to {message.key}")
        return message

    def waiting(self) -> Iterator[Waiting]:
        """What lies in the inbox, oldest first."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=INBOX_PREFIX)
            for page in pages:
                yield from (Waiting(one["Key"], one["Size"], one["LastModified"]) for one in page.get("Contents", []))
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"the inbox cannot be listed: {error}") from error

    def delete(self, key: str) -> None:
        """Take a message out of the inbox once the ledger has it; one that is gone already is fine."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise RetryLater(f"the inbox cannot be emptied: {error}") from error

    @property
    def _client(self) -> "S3Client":
        if self._made is None:
            self._made = self._make_client()
        return self._made
