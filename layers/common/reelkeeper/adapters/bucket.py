"""The bucket that keeps the outputs: the only module that talks to that store, S3 or any that speaks its language."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.naming import CACHE_CONTROL, content_disposition, content_type, permanent_url, quarantine_key
from reelkeeper.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Settings or rights are wrong: a person must act, and the copy waits for it, since the job is not to blame.
_MISCONFIGURED = frozenset(
    {"AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessControlListNotSupported"}
)
_UNTIL_SOMEONE_ACTS = timedelta(minutes=5)
# S3 copies up to 5 GiB in one request; above, in parts.
_COPYING = TransferConfig(multipart_threshold=5 * 1024**3, multipart_chunksize=512 * 1024**2)
_REASON_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the store describes it: size in bytes, full-object CRC32 as base64 where the store gives one."""

    size: int
    crc32: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, its size in bytes; `size` None says that it was deleted then."""

    key: str
    size: int | None
    at: datetime
    latest: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload that the store has taken."""

    number: int
    etag: str


class Taken(Exception):
    """An object is under that key already, and is never overwritten."""


class Bucket:
    """One bucket of one store."""

    def __init__(self, settings: StorageSettings, *, keys: tuple[str, str] | None = None, width: int = 8) -> None:
        self._settings = settings
        self._own = bool(settings.endpoint)
        self._client = client_for(settings, keys, width=width)

    def head(self, key: str) -> Stored | None:
        """The object under a key, or None."""
        try:
            with _translated():
                found: Mapping[str, Any] = self._client.head_object(
                    Bucket=self._settings.bucket, Key=key, ChecksumMode="ENABLED"
                )
        except _Missing:
            return None
        whole = found.get("ChecksumCRC32") if found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" else None
        return Stored(found["ContentLength"], whole)

    def put(self, key: str, body: bytes, *, name: str, crc32: str) -> None:
        """Store a small object in one request; raises Taken where the key is in use."""
        checksum: dict[str, Any] = {} if self._own else {"ChecksumCRC32": crc32}
        with _translated():
            self._client.put_object(
                Bucket=self._settings.bucket, Key=key, Body=body, IfNoneMatch="*", **checksum, **self._describe(name)
            )

    def begin(self, key: str, *, name: str) -> str:
        """Start a multipart upload and return its id."""
        checksum: dict[str, Any] = {} if self._own else {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        with _translated():
            answer = self._client.create_multipart_upload(
                Bucket=self._settings.bucket, Key=key, **checksum, **self._describe(name)
            )
        return answer["UploadId"]

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        """Send one part: at least 5 MiB unless it is the last."""
        with _translated():
            answer = self._client.upload_part(
                Bucket=self._settings.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body
            )
        return Part(number, answer["ETag"])

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], *, size: int, crc32: str) -> None:
        """Make the parts one object, which the store checks against size and checksum; raises Taken where the key is in use."""
        checks: dict[str, Any] = (
            {} if self._own else {"ChecksumCRC32": crc32, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}
        )
        with _translated():
            self._client.complete_multipart_upload(
                Bucket=self._settings.bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]},
                IfNoneMatch="*",
                **checks,
            )

    def abort(self, key: str, upload_id: str) -> None:
        """Throw the parts away; an upload that is gone already is fine."""
        try:
            with _translated():
                self._client.abort_multipart_upload(Bucket=self._settings.bucket, Key=key, UploadId=upload_id)
        except _Missing:
            return

    def read(self, key: str, start: int, length: int) -> bytes:
        """The object's bytes from `start` on, `length` of them or as many as there are; raises Gone where no object is."""
        try:
            with _translated():
                span = f"bytes={start}-{start + length - 1}"
                body: bytes = self._client.get_object(Bucket=self._settings.bucket, Key=key, Range=span)["Body"].read()
        except _Missing:
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
        self._copy(key, aside, {**described, "Metadata": why})
        with _translated():
            self._client.delete_object(Bucket=self._settings.bucket, Key=key)
        return aside

    def describe(self, key: str, *, name: str, media_type: str) -> None:
        """Give an object the Content-Type and the file name its bytes deserve; they themselves stay as they are."""
        self._copy(key, key, {**self._describe(name), "ContentType": media_type})

    def _copy(self, key: str, to: str, described: Mapping[str, Any]) -> None:
        source: Any = {"Bucket": self._settings.bucket, "Key": key}
        extra = {**described, "MetadataDirective": "REPLACE"}
        try:
            with _translated():
                self._client.copy(source, self._settings.bucket, to, ExtraArgs=extra, Config=_COPYING)
        except _Missing:
            raise Gone(f"there is no object under {key}") from None

    def versions(self, prefix: str, *, limit: int) -> tuple[Version, ...]:
        """What was ever stored under a prefix, overwritten and deleted included, where the store keeps versions."""
        with _translated():
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
        read_timeout=60,
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


class _Missing(Exception):
    """No such object or upload."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("PreconditionFailed", "412"):
            raise Taken from error
        if code in ("404", "NoSuchKey", "NoSuchUpload"):
            raise _Missing from error
        if code in _MISCONFIGURED:
            reason = f"the bucket says {code}: {error}; check the storage settings and the function's role"
            raise RetryLater(reason, delay=_UNTIL_SOMEONE_ACTS) from error
        raise RetryLater(f"the bucket did not take it: {error}") from error
    except BotoCoreError as error:
        raise RetryLater(f"the bucket did not answer: {error}") from error
