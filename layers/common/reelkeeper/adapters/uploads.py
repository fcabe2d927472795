"""A multipart upload: its parts go straight from where they come to the store, chunk by chunk, and are never held whole.

boto3 would read each part twice (a checksum, and over http a SHA-256) before it sends the first byte, and wants it in memory.
Here the signature leaves the body out, the checksum is taken on the way, and goes to the store behind the bytes as a trailer
(AWS, "Signature Version 4: STREAMING-UNSIGNED-PAYLOAD-TRAILER"); stores other than AWS get the plain bytes.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3.exceptions import HTTPError

from reelkeeper.adapters.verdicts import KeyRefused, Missing, NotOffered, Taken, judge, translated
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.parts import Span, crc32_text, crc32_value
from reelkeeper.domain.stores import Place
from reelkeeper.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CODE = re.compile(rb"<Code>([^<]+)</Code>")
_TRAILER = "x-amz-checksum-crc32"
# How many are used at once is decided elsewhere; as many are kept for the next part.
_CONNECTIONS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part that the store has: `crc32` of its bytes where it is known."""

    number: int
    etag: str
    size: int
    crc32: int | None


class Wire:
    """The connections that parts go over, and what signs them."""

    def __init__(self, client: "S3Client", settings: StorageSettings, keys: tuple[str, str] | None) -> None:
        self.client = client
        self.bucket = settings.bucket
        # AWS checks what it gets; of the other stores some choke on what they do not know.
        self.checked = not settings.endpoint
        self._keys = keys if settings.endpoint else None
        # Whether the store refused the keys of the secret; AWS is asked with the function's own role.
        self.refused = False
        # What the store can do under no condition only, once it has said so.
        self._unconditional: set[str] = set()
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS_KEPT, retries=False, timeout=urllib3.Timeout(connect=5, read=60))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """As verdicts.translated, and a key that was refused is remembered."""
        try:
            with translated():
                yield
        except KeyRefused:
            self.refused = self._keys is not None
            raise

    def once(self, what: str, key: str, write: Callable[[Mapping[str, Any]], object]) -> None:
        """Write under a key that nothing is under yet, in the way called `what`; raises Taken.

        `write` takes the condition, which a store may not know (Backblaze B2: NotImplemented): then the key is looked at first.
        That leaves a moment for another writer, of whom the job's lease allows none.
        """
        if what not in self._unconditional:
            try:
                with self.translated():
                    write({"IfNoneMatch": "*"})
            except NotOffered:
                self._unconditional.add(what)
            else:
                return
        try:
            with self.translated():
                self.client.head_object(Bucket=self.bucket, Key=key)
        except Missing:
            with self.translated():
                write({})
        else:
            raise Taken(f"{key} is in use")

    def address(self, key: str) -> str:
        """Where the object lies, in the way of addressing the settings ask for: boto3 knows them all."""
        signed = self.client.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": key})
        return signed.partition("?")[0]

    def _credentials(self) -> Any:
        """The store's own keys, or those of AWS that boto3 found; they may be renewed at any time."""
        if self._keys is not None:
            return Credentials(*self._keys)
        session = boto3.DEFAULT_SESSION or boto3.Session()
        return session.get_credentials()

    def send(self, url: str, headers: Mapping[str, str], body: Iterable[bytes | memoryview]) -> Mapping[str, str]:
        """PUT a body that is made while it is sent; returns the answer's headers."""
        request = AWSRequest("PUT", url, headers=dict(headers))
        _Unsigned(self._credentials(), "s3", self.client.meta.region_name, trailer=self.checked).add_auth(request)
        shown = url.partition("?")[0]
        try:
            # urllib3's types know no memoryview, which its sockets take.
            chunks: Any = body
            answer = self._pool.request("PUT", url, headers=dict(request.headers), body=chunks)
        except (HTTPError, OSError) as error:
            raise RetryLater(f"the bucket broke off ({type(error).__name__}): {shown}") from error
        if answer.status != 200:
            found = _CODE.search(answer.data)
            wait = answer.headers.get("retry-after", "")
            delay = timedelta(seconds=min(int(wait), 900)) if wait.isdecimal() else None
            code = found[1].decode("ascii", "replace") if found else str(answer.status)
            with self.translated():
                raise judge(code, f"{answer.status} {code} at {shown}", delay=delay)
        return answer.headers


class _Unsigned(S3SigV4Auth):
    """Signature V4 over everything but the body."""

    def __init__(self, credentials: Any, service: str, region: str, *, trailer: bool) -> None:
        super().__init__(credentials, service, region)
        self._payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER" if trailer else "UNSIGNED-PAYLOAD"

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore asks for it
        return self._payload


class Upload:
    """One multipart upload of one key."""

    def __init__(self, wire: Wire, key: str, upload_id: str) -> None:
        self.id = upload_id
        self.key = key
        self._wire = wire
        self._address = f"{wire.address(key)}?uploadId={quote(upload_id, safe='')}"
        self._mine: dict[str, Any] = {"Bucket": wire.bucket, "Key": key, "UploadId": upload_id}

    def send(self, span: Span, chunks: Iterable[memoryview]) -> Part:
        """Send one part, which `chunks` yields to the byte; raises Missing where the upload is gone."""
        body = _Body(chunks)
        if self._wire.checked:
            headers = {
                "content-encoding": "aws-chunked",
                "transfer-encoding": "chunked",
                "x-amz-decoded-content-length": str(span.length),
                "x-amz-trailer": _TRAILER,
            }
            answer = self._wire.send(f"{self._address}&partNumber={span.number}", headers, body.framed())
        else:
            headers = {"content-length": str(span.length)}
            answer = self._wire.send(f"{self._address}&partNumber={span.number}", headers, body.plain())
        return Part(span.number, answer["etag"], span.length, body.crc32)

    def copy(self, span: Span, place: Place, etag: str) -> Part:
        """Have the store fill one part from one of its objects; raises Taken where that is another object by now."""
        source: Any = {"Bucket": place.bucket, "Key": place.key}
        with self._wire.translated():
            answer = self._wire.client.upload_part_copy(
                **self._mine,
                PartNumber=span.number,
                CopySource=source,
                CopySourceIfMatch=etag,
                CopySourceRange=f"bytes={span.start}-{span.start + span.length - 1}",
            )
        found: Mapping[str, Any] = answer["CopyPartResult"]
        return Part(span.number, found["ETag"], span.length, _crc32(found))

    def parts(self) -> dict[int, Part] | None:
        """What the store has of it by number, or None where it knows of no such upload (finished, or aborted)."""
        try:
            with self._wire.translated():
                pages = self._wire.client.get_paginator("list_parts").paginate(**self._mine)
                return {
                    found["PartNumber"]: Part(found["PartNumber"], found["ETag"], found["Size"], _crc32(found))
                    for page in pages
                    for found in page.get("Parts", [])
                }
        except Missing:
            return None

    def complete(self, parts: Iterable[Part], *, size: int, crc32: int | None) -> None:
        """Make the parts one object, which AWS checks against size and checksum; raises Taken, Conflict or Missing."""
        checks: dict[str, Any] = {}
        if self._wire.checked:
            checks = {"ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}
            checks |= {"ChecksumCRC32": crc32_text(crc32)} if crc32 is not None else {}
        done: list[Any] = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]

        def finish(condition: Mapping[str, Any]) -> None:
            self._wire.client.complete_multipart_upload(**self._mine, MultipartUpload={"Parts": done}, **condition, **checks)

        self._wire.once("complete", self.key, finish)

    def abort(self) -> None:
        """Throw the parts away; an upload that is gone already is fine."""
        try:
            with self._wire.translated():
                self._wire.client.abort_multipart_upload(**self._mine)
        except Missing:
            return


class _Body:
    """Chunks on their way to the store, and the checksum of what has gone."""

    def __init__(self, chunks: Iterable[memoryview]) -> None:
        self._chunks = chunks
        self.crc32 = 0

    def plain(self) -> Iterator[memoryview]:
        for chunk in self._chunks:
            self.crc32 = zlib.crc32(chunk, self.crc32)
            yield chunk

    def framed(self) -> Iterator[bytes | memoryview]:
        """The chunks in AWS's own framing, with the checksum behind them."""
        end = b""
        for chunk in self.plain():
            yield end + b"%x\r\n" % len(chunk)
            yield chunk
            end = b"\r\n"
        yield end + b"0\r\n%s:%s\r\n\r\n" % (_TRAILER.encode(), crc32_text(self.crc32).encode())


def _crc32(found: Mapping[str, Any]) -> int | None:
    text = found.get("ChecksumCRC32")
    return crc32_value(text) if text else None
