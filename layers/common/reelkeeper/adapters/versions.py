"""Earlier versions of an object, which a bucket with versioning keeps: deleted or overwritten, a file can be brought back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.adapters.bucket import client_for
from reelkeeper.adapters.verdicts import code_of
from reelkeeper.domain.errors import RetryLater
from reelkeeper.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: one copy moves 5 GiB at most, and so does a part.
_ONE_COPY_BYTES = 5 * 1024**3
_PART_BYTES = 1024**3
# What a store says that keeps none (Cloudflare R2).
_NO_VERSIONS = frozenset({"NotImplemented", "501"})
_DESCRIBED = ("ContentType", "ContentDisposition", "CacheControl")


class Versions:
    """The bucket's memory; nothing is ever deleted here, a copy of the good version becomes the newest one."""

    def __init__(self, settings: StorageSettings, *, keys: tuple[str, str] | None = None) -> None:
        self._settings = settings
        self._client: S3Client = client_for(settings, keys)

    def bring_back(self, key: str, *, size: int, crc32: str | None) -> str | None:
        """Make the newest version that is what was kept the present one; returns its id, or None where there is none."""
        with _translated():
            version_id = next((one for one in self._of(key, size) if self._is(key, one, crc32)), None)
            if version_id is None:
                return None
            source: Any = {"Bucket": self._settings.bucket, "Key": key, "VersionId": version_id}
            if size <= _ONE_COPY_BYTES:
                checksum: dict[str, Any] = {} if self._settings.endpoint else {"ChecksumAlgorithm": "CRC32"}
                self._client.copy_object(
                    Bucket=self._settings.bucket,
                    Key=key,
                    CopySource=source,
                    **checksum,
                    **self._acl(),
                )
            else:
                self._in_parts(key, source, size=size, crc32=crc32)
        return version_id

    def _of(self, key: str, size: int) -> Iterator[str]:
        """The versions under exactly this key that have this size, the newest first."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._settings.bucket, Prefix=key)
        try:
            found = [one for page in pages for one in page.get("Versions", []) if one["Key"] == key and one["Size"] == size]
        except ClientError as error:
            if code_of(error) not in _NO_VERSIONS:
                raise
            found = []
        yield from (one["VersionId"] for one in sorted(found, key=lambda one: one["LastModified"], reverse=True))

    def _is(self, key: str, version_id: str, crc32: str | None) -> bool:
        # Backblaze B2 refuses whatever speaks of checksums, a question too.
        asked: Any = {} if self._settings.endpoint else {"ChecksumMode": "ENABLED"}
        known = self._client.head_object(Bucket=self._settings.bucket, Key=key, VersionId=version_id, **asked)
        whole = known.get("ChecksumCRC32") if known.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" else None
        return crc32 is None or whole in (None, crc32)

    def _in_parts(self, key: str, source: Any, *, size: int, crc32: str | None) -> None:
        own = not self._settings.endpoint
        place: dict[str, Any] = {"Bucket": self._settings.bucket, "Key": key}
        kind: dict[str, Any] = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if own else {}
        known: Mapping[str, Any] = self._client.head_object(**place, VersionId=source["VersionId"])
        # One request copies what describes the object, too; in parts it must be said again.
        described = {header: known[header] for header in _DESCRIBED if header in known}
        upload_id = self._client.create_multipart_upload(**place, **kind, **described, **self._acl())["UploadId"]
        parts: list[Any] = []
        try:
            for number, start in enumerate(range(0, size, _PART_BYTES), start=1):
                part = self._client.upload_part_copy(
                    **place,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource=source,
                    CopySourceRange=f"bytes={start}-{min(start + _PART_BYTES, size) - 1}",
                )["CopyPartResult"]
                parts.append({"ETag": part["ETag"], "PartNumber": number})
            check: dict[str, Any] = {"ChecksumCRC32": crc32, "ChecksumType": "FULL_OBJECT"} if own and crc32 else {}
            self._client.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload={"Parts": parts}, **check)
        except (ClientError, BotoCoreError):
            self._client.abort_multipart_upload(**place, UploadId=upload_id)
            raise

    def _acl(self) -> dict[str, Any]:
        # An ACL is never copied along.
        return {"ACL": self._settings.acl} if self._settings.acl else {}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise RetryLater(f"earlier versions cannot be read or brought back: {error}") from error
