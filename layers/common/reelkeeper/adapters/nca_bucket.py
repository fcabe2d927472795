"""The bucket NCA writes its outputs to: listed by a job's id where we have keys for it, else guessed name by name.

A listing is proof of absence, a guess is not: 403 and 404 on an address nobody has named mean nothing (rule 4 of the design).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from reelkeeper.adapters.guard import ForbiddenAddress, Resolve, check_url, guarded_pool, resolve
from reelkeeper.adapters.verdicts import KEY_REFUSED, code_of
from reelkeeper.domain import found
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.evidence import Search
from reelkeeper.settings import NcaBucketSettings, SourceSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Nothing was added for so long: a worker uploads a job's files one right after the other.
SETTLED_AFTER = timedelta(minutes=5)
_CONFIG = Config(
    connect_timeout=4,
    read_timeout=15,
    retries={"total_max_attempts": 2, "mode": "standard"},
    max_pool_connections=16,
    s3=cast(Any, {"addressing_style": "path"}),
)
_MOST_FILES = 1_000


class NcaBucket:
    """One bucket by the address NCA builds its URLs from: `{S3_ENDPOINT_URL}/{bucket}`."""

    # Whether the store refused the keys for listing it.
    refused = False

    def __init__(
        self,
        settings: NcaBucketSettings,
        source: SourceSettings,
        *,
        keys: tuple[str, str] = ("", ""),
        width: int = 16,
        resolver: Resolve = resolve,
    ) -> None:
        self._url = settings.url
        self._source = source
        self._pool = guarded_pool(source, width=width, resolver=resolver)
        self._place = _Place(settings.url)
        self._client = _client(settings, self._place, keys) if all(keys) else None

    def search(self, job_id: str, *, at: datetime) -> Search:
        """What is there under the job's names; raises RetryLater where the store does not answer."""
        return self._listed(self._client, job_id, at) if self._client is not None else self._guessed(job_id, at)

    def _listed(self, client: "S3Client", job_id: str, at: datetime) -> Search:
        prefix = self._place.prefix
        try:
            page = client.list_objects_v2(Bucket=self._place.bucket, Prefix=f"{prefix}{job_id}", MaxKeys=_MOST_FILES)
        except (BotoCoreError, ClientError) as error:
            self.refused = self.refused or (isinstance(error, ClientError) and code_of(error) in KEY_REFUSED)
            raise RetryLater(f"NCA's bucket cannot be listed: {error}") from error
        # A folder's placeholder and an upload that came to nothing are no files.
        changed = {one["Key"].removeprefix(prefix): one["LastModified"] for one in page.get("Contents", ()) if one["Size"]}
        names = found.of_job(job_id, tuple(changed))
        settled = all(at - changed[name] >= SETTLED_AFTER for name in names)
        return Search(tuple(self._address(name) for name in names), whole=True, settled=settled)

    def _guessed(self, job_id: str, at: datetime) -> Search:
        for first in found.first_names(job_id):
            changed = self._changed(first, at)
            if changed is None:
                continue
            there = {first: changed}
            for name in self._following(first):
                if (when := self._changed(name, at)) is None:
                    break
                there[name] = when
            settled = all(at - when >= SETTLED_AFTER for when in there.values())
            return Search(tuple(self._address(name) for name in found.of_job(job_id, tuple(there))), settled=settled)
        return Search()

    def _following(self, name: str) -> Iterator[str]:
        nexts = found.next_names(name)
        if len(nexts) != 1:
            yield from nexts
            return
        for _ in range(_MOST_FILES):
            yield nexts[0]
            nexts = found.next_names(nexts[0])

    def _changed(self, name: str, at: datetime) -> datetime | None:
        """When the object under a guessed name was written; None where nothing can be seen there."""
        url = self._address(name)
        check_url(url, self._source)
        try:
            answer = self._pool.request("HEAD", url, redirect=False, headers={"accept-encoding": "identity"})
        except (HTTPError, ForbiddenAddress, OSError) as error:
            raise RetryLater(f"NCA's bucket did not answer: {type(error).__name__}") from error
        return _written(answer, at)

    def _address(self, name: str) -> str:
        return f"{self._url}/{quote(name)}"


def _written(answer: urllib3.BaseHTTPResponse, at: datetime) -> datetime | None:
    # A sign-in page answers 200 to every name there is.
    if answer.status != 200 or answer.headers.get("content-length") == "0" or "html" in answer.headers.get("content-type", ""):
        return None
    try:
        return parsedate_to_datetime(answer.headers["last-modified"])
    except (KeyError, ValueError):
        return at


class _Place:
    """Endpoint, bucket and prefix behind an address: the bucket's name may stand before the host, too, and then it is a part of
    the key (an engine whose addresses name it twice was seen)."""

    def __init__(self, url: str) -> None:
        endpoint, _, bucket = url.rpartition("/")
        self.bucket = unquote(bucket)
        scheme, _, host = endpoint.partition("://")
        twice = host.startswith(f"{self.bucket}.")
        self.endpoint = f"{scheme}://{host.removeprefix(f'{self.bucket}.') if twice else host}"
        self.prefix = f"{self.bucket}/" if twice else ""


def _client(settings: NcaBucketSettings, place: _Place, keys: tuple[str, str]) -> "S3Client":
    # See adapters/clients.py: two packages of stubs, of which either may be in force.
    make: Any = boto3.client
    client = make(
        "s3",
        endpoint_url=place.endpoint,
        region_name=settings.region or "us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=_CONFIG,
    )
    return cast("S3Client", client)
