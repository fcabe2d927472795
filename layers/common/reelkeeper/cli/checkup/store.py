"""The bucket and the permanent address: a small file is kept, read as anybody would read it, and taken away again."""

import base64
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from reelkeeper.adapters.bucket import client_for
from reelkeeper.adapters.rules import facts_of
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.cli.place import Place
from reelkeeper.domain.causes import Check, Verdict, of_target
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.naming import OUTPUTS_PREFIX

_BODY = b"reelkeeper doctor was here, and takes this file away again.\n"
_NAME = "the permanent address, from outside"


def check_bucket(place: Place) -> Iterator[Check]:
    """Whether what is kept stays: lifecycle and versions; in the stack's own bucket encryption and privacy as well."""
    storage = place.settings.storage
    yield from of_target(facts_of(_store(place), storage.bucket))
    if storage.endpoint:
        return
    client = place.client("s3")
    try:
        client.get_bucket_encryption(Bucket=storage.bucket)
        blocked = client.get_public_access_block(Bucket=storage.bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        verdict: Verdict = "unknown" if "Denied" in code else "fail"
        yield Check("encryption and privacy", verdict, f"{storage.bucket}: {code}", "deploy the template again: make deploy")
        return
    if all(blocked.values()):
        yield Check("encryption and privacy", "good", "files are encrypted, and nobody reads the bucket but CloudFront")
    else:
        yield Check("encryption and privacy", "fail", "the bucket can be opened to the public", "make deploy")


def check_permanent_address(place: Place) -> Iterator[Check]:
    """Keep a small file, look at it without keys, take it away."""
    bucket, client = place.outside.bucket, _store(place)
    key = f"{OUTPUTS_PREFIX}reelkeeper-doctor/{uuid.uuid4()}.txt"
    checksum = base64.b64encode(zlib.crc32(_BODY).to_bytes(4, "big")).decode()
    address = bucket.address(key)
    try:
        bucket.put(key, _BODY, name="doctor.txt", crc32=checksum)
    except RetryLater as error:
        yield Check(
            _NAME, "fail", f"no file can be kept: {error.reason}", "use a profile that may write there, or mend the store"
        )
        return
    try:
        yield _seen(place, address)
    finally:
        _take_away(client, place.settings.storage.bucket, key)


def _seen(place: Place, address: str) -> Check:
    try:
        seen = place.outside.viewer.look(address)
    except RetryLater as error:
        return Check(
            _NAME, "fail", f"{address}: {error.reason}", "check PublicUrlTemplate: its host must be reachable from anywhere"
        )
    if seen.status != 200:
        why = "check StorageAcl" if place.settings.storage.endpoint else "CloudFront may take minutes after the first deploy"
        return Check(_NAME, "fail", f"{address} answers {seen.status} to somebody without keys", why)
    if seen.size != len(_BODY):
        return Check(
            _NAME, "fail", f"{address} gives {seen.size} bytes where {len(_BODY)} were kept", "check what stands before it"
        )
    if not seen.gives_ranges:
        return Check(_NAME, "warn", f"{address} gives no part when asked for one", "players need ranges: use another CDN")
    return Check(_NAME, "good", f"{address.partition(OUTPUTS_PREFIX)[0]}… is readable by anybody, in parts as well")


def _take_away(store: Any, bucket: str, key: str) -> None:
    """With all its versions: it shall not even be found among those."""
    found = store.list_object_versions(Bucket=bucket, Prefix=key)
    for one in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
        version = {} if one["VersionId"] == "null" else {"VersionId": one["VersionId"]}
        store.delete_object(Bucket=bucket, Key=key, **version)


def _store(place: Place) -> Any:
    storage = place.settings.storage
    if not storage.endpoint:
        return place.client("s3")
    secret = read_secret(place.client("secretsmanager"), place.settings.secret)
    return client_for(storage, (secret.get("storage_access_key", ""), secret.get("storage_secret_key", "")))
