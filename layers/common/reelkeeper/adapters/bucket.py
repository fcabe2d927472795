"""The bucket that keeps the outputs: the only module that talks to that store, S3 or any that speaks its language.

Requests that carry no file go through boto3; parts of a file go through adapters/uploads.py.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from reelkeeper.adapters.uploads import Upload, Wire
from reelkeeper.adapters.verdicts import Missing, translated
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.message import CALLBACKS_PREFIX, INBOX_PREFIX
from reelkeeper.domain.naming import (
    CACHE_CONTROL,
    QUARANTINE_PREFIX,
    content_disposition,
    content_type,
    permanent_url,
    quarantine_key,
)
from reelkeeper.domain.parts import MIB
from reelkeeper.domain.stores import Place
from reelkeeper.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# S3 copies up to 5 GiB in one request; above, in parts.
_COPYING = TransferConfig(multipart_threshold=5 * 1024**3, multipart_chunksize=512 * 1024**2)
_REASON_CHARS = 1_000
_PRIVATE = (INBOX_PREFIX, CALLBACKS_PREFIX, QUARANTINE_PREFIX)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the store describes it: size in bytes, full-object CRC32 as base64 where the store gives one, ETag."""

    size: int
    crc32: str | None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, its size in bytes; `size` None says that it was deleted then."""

    key: str
    size: int | None
    at: datetime
    latest: bool


class Bucket:
    """One bucket of one store."""

    def __init__(self, settings: StorageSettings, *, keys: tuple[str, str] | None = None, width: int = 8) -> None:
        self._settings = settings
        self._own = bool(settings.endpoint)
        self._client = client_for(settings, keys, width=width)
        self._wire = Wire(self._client, settings, keys)

    @property
    def refused(self) -> bool:
        """Whether the store refused the secret's keys."""
        return self._wire.refused

    def head(self, key: str) -> Stored | None:
        """The object under a key, or None."""
        return self._head(Place(self._settings.bucket, key), self._wire.translated)

    def neighbour(self, url: str) -> Place | None:
        """The object of this store that a URL shows, where the settings name its bucket."""
        place = self._settings.neighbours.find(url)
        # What we keep for ourselves is nobody's output, whatever a forged callback says.
        if place is not None and place.bucket == self._settings.bucket and place.key.startswith(_PRIVATE):
            return None
        return place

    def look(self, place: Place) -> Stored | None:
        """An object of another bucket in this store; None where there is none or it is not ours to read."""
        try:
            # Not being let in there says nothing of the key.
            return self._head(place, translated)
        except RetryLater:
            return None

    def crc32(self, key: str) -> int:
        """The checksum of an object, read back from the store."""
        with self._wire.translated():
            body = self._client.get_object(Bucket=self._settings.bucket, Key=key)["Body"]
            value = 0
            for chunk in body.iter_chunks(MIB):
                value = zlib.crc32(chunk, value)
        return value

    def put(self, key: str, body: bytes | bytearray, *, name: str, crc32: str) -> None:
        """Store a small object in one request; raises Taken where the key is in use."""
        self._put(key, body, name=name, crc32=crc32)

    def put_file(self, key: str, path: Path, *, name: str, crc32: str) -> None:
        """Store a file of up to 5 GiB in one request; raises Taken where the key is in use."""
        with path.open("rb") as body:
            self._put(key, body, name=name, crc32=crc32)

    def _put(self, key: str, body: Any, *, name: str, crc32: str) -> None:
        described = {**self._describe(name), **({} if self._own else {"ChecksumCRC32": crc32})}

        def write(condition: Mapping[str, Any]) -> None:
            if isinstance(body, IOBase):
                body.seek(0)
            self._client.put_object(Bucket=self._settings.bucket, Key=key, Body=body, **condition, **described)

        self._wire.once("put", key, write)

    def copy(self, place: Place, known: Stored, key: str, *, name: str) -> None:
        """Have the store copy one of its objects, of 5 GiB at most; raises Taken where the key is in use."""
        checksum: dict[str, Any] = {} if self._own else {"ChecksumAlgorithm": "CRC32"}

        def write(condition: Mapping[str, Any]) -> None:
            self._client.copy_object(
                Bucket=self._settings.bucket,
                Key=key,
                CopySource={"Bucket": place.bucket, "Key": place.key},
                CopySourceIfMatch=known.etag,
                MetadataDirective="REPLACE",
                **condition,
                **checksum,
                **self._describe(name),
            )

        self._wire.once("copy", key, write)

    def begin(self, key: str, *, name: str) -> Upload:
        """Start a multipart upload."""
        checksum: dict[str, Any] = {} if self._own else {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        with self._wire.translated():
            answer = self._client.create_multipart_upload(
                Bucket=self._settings.bucket, Key=key, **checksum, **self._describe(name)
            )
        return self.upload(key, answer["UploadId"])

    def upload(self, key: str, upload_id: str) -> Upload:
        """A multipart upload that has begun before."""
        return Upload(self._wire, key, upload_id)

    def abandoned(self, key: str) -> Iterator[Upload]:
        """Multipart uploads of a key that nobody has finished."""
        with self._wire.translated():
            answer = self._client.list_multipart_uploads(Bucket=self._settings.bucket, Prefix=key)
        for found in answer.get("Uploads", []):
            if found["Key"] == key:
                yield self.upload(key, found["UploadId"])

    def read(self, key: str, start: int, length: int) -> bytes:
        """The object's bytes from `start` on, `length` of them or as many as there are; raises Gone where no object is."""
        try:
            with self._wire.translated():
                span = f"bytes={start}-{start + length - 1}"
                body: bytes = self._client.get_object(Bucket=self._settings.bucket, Key=key, Range=span)["Body"].read()
        except Missing:
            raise Gone(f"there is no object under {key}") from None
        return body

    def quarantine(self, key: str, *, reason: str) -> str:
        """Move an object to where no one is led, the reason in its metadata, and return its new key.

        Copied, then deleted: what stops in between leaves two, and is made good by the next try.
        """
        aside = quarantine_key(key)
        # A browser that is shown it all the same saves it; the store's own ACL, private, is the default of a copy.
        described = {"ContentType": "application/octet-stream", "ContentDisposition": "attachment"}
        # Metadata travels as a header, which carries nothing but ASCII.
        why = {"reason": reason.encode("ascii", "replace").decode()[:_REASON_CHARS]}
        self._move(key, aside, {**described, "Metadata": why})
        with self._wire.translated():
            self._client.delete_object(Bucket=self._settings.bucket, Key=key)
        return aside

    def describe(self, key: str, *, name: str, media_type: str) -> None:
        """Give an object the Content-Type and the file name its bytes deserve; they themselves stay as they are."""
        self._move(key, key, {**self._describe(name), "ContentType": media_type})

    def _move(self, key: str, to: str, described: Mapping[str, Any]) -> None:
        source: Any = {"Bucket": self._settings.bucket, "Key": key}
        extra = {**described, "MetadataDirective": "REPLACE"}
        try:
            with self._wire.translated():
                self._client.copy(source, self._settings.bucket, to, ExtraArgs=extra, Config=_COPYING)
        except Missing:
            raise Gone(f"there is no object under {key}") from None

    def versions(self, prefix: str, *, limit: int) -> tuple[Version, ...]:
        """What was ever stored under a prefix, overwritten and deleted included, where the store keeps versions."""
        with self._wire.translated():
            page = self._client.list_object_versions(Bucket=self._settings.bucket, Prefix=prefix, MaxKeys=limit)
        found = [
            Version(one["Key"], one["Size"], one["LastModified"], latest=one["IsLatest"]) for one in page.get("Versions", [])
        ]
        marks = [
            Version(one["Key"], None, one["LastModified"], latest=one["IsLatest"]) for one in page.get("DeleteMarkers", [])
        ]
        return (*found, *marks)

    def address(self, key: str) -> str:
        """The permanent URL of an object."""
        return permanent_url(self._settings.public_url, key)

    def _head(self, place: Place, meaning: Callable[[], AbstractContextManager[None]]) -> Stored | None:
        try:
            with meaning():
                # Backblaze B2 refuses whatever speaks of checksums, a question too.
                asked: Any = {} if self._own else {"ChecksumMode": "ENABLED"}
                found: Mapping[str, Any] = self._client.head_object(Bucket=place.bucket, Key=place.key, **asked)
        except Missing:
            return None
        whole = found.get("ChecksumCRC32") if found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" else None
        return Stored(found["ContentLength"], whole, found.get("ETag", ""))

    def _describe(self, name: str) -> dict[str, Any]:
        acl: dict[str, Any] = {"ACL": self._settings.acl} if self._settings.acl else {}
        return {
            "ContentType": content_type(name),
            "ContentDisposition": content_disposition(name),
            "CacheControl": CACHE_CONTROL,
            **acl,
        }


def client_for(settings: StorageSettings, keys: tuple[str, str] | None, *, width: int = 8) -> "S3Client":
    """The client of one store, patient, and without the checksums that only AWS takes."""
    addressing: Any = {"addressing_style": settings.addressing}
    config = Config(
        connect_timeout=5,
        # A store that copies an object of its own answers when it is done.
        read_timeout=120,
        retries={"total_max_attempts": 4, "mode": "standard"},
        max_pool_connections=width,
        # Stores other than AWS choke on the checksums boto3 adds on its own since 1.36.
        request_checksum_calculation="when_required" if settings.endpoint else "when_supported",
        response_checksum_validation="when_required",
        s3=addressing,
    )
    place: dict[str, Any] = {}
    if settings.endpoint:
        access, secret = keys or (None, None)
        place = {
            "endpoint_url": settings.endpoint,
            "region_name": settings.region or "us-east-1",
            "aws_access_key_id": access,
            "aws_secret_access_key": secret,
        }
    # See adapters/clients.py: two packages of stubs, of which either may be in force.
    make: Any = boto3.client
    return cast("S3Client", make("s3", config=config, **place))
