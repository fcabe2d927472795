"""The rules of a bucket that decide how long its objects live and who may read them: lifecycle, versioning, ACL and policy."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.causes import BucketFacts, Expiry

T = TypeVar("T")
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_NO_EXPIRIES: tuple[Expiry, ...] = ()
# There is no such rule; stores other than AWS have words of their own for it.
_NONE = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchConfiguration",
    }
)


def facts_of(client: Any, bucket: str) -> BucketFacts:
    """All that may be read of a bucket; what may not be read, or what this store does not know, is None."""
    exists = _exists(client, bucket)
    if exists is False:
        return BucketFacts(bucket, exists=False)
    return BucketFacts(
        bucket,
        exists=exists,
        expiries=_read(lambda: _expiries(client.get_bucket_lifecycle_configuration(Bucket=bucket)), none=_NO_EXPIRIES),
        versioning=_read(lambda: _versioning(client.get_bucket_versioning(Bucket=bucket)), none="off"),
        public=_public(client, bucket),
    )


def _exists(client: Any, bucket: str) -> bool | None:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        return False if error.response.get("Error", {}).get("Code") in ("404", "NoSuchBucket") else None
    except BotoCoreError:
        return None
    return True


def _read(ask: Callable[[], T], *, none: T) -> T | None:
    try:
        return ask()
    except ClientError as error:
        return none if error.response.get("Error", {}).get("Code") in _NONE else None
    except BotoCoreError:
        return None


def _expiries(answer: Mapping[str, Any]) -> tuple[Expiry, ...]:
    """Rules that delete present objects; those that only tidy up old versions and dead uploads are harmless."""
    found = []
    for rule in answer.get("Rules", []):
        expiration = rule.get("Expiration", {})
        if rule.get("Status") != "Enabled" or not ("Days" in expiration or "Date" in expiration):
            continue
        narrowed = rule.get("Filter", {})
        prefix = rule.get("Prefix") or narrowed.get("Prefix") or narrowed.get("And", {}).get("Prefix") or ""
        found.append(Expiry(rule.get("ID", ""), prefix, expiration.get("Days")))
    return tuple(found)


def _versioning(answer: Mapping[str, Any]) -> Any:
    return {"Enabled": "enabled", "Suspended": "suspended"}.get(answer.get("Status", ""), "off")


def _public(client: Any, bucket: str) -> bool | None:
    grants: list[Any] | None = _read(lambda: client.get_bucket_acl(Bucket=bucket)["Grants"], none=[])
    policy = _read(lambda: client.get_bucket_policy(Bucket=bucket)["Policy"], none="{}")
    if grants is None and policy is None:
        return None
    by_acl = any(grant.get("Grantee", {}).get("URI") == _EVERYBODY for grant in grants or [])
    return by_acl or any(_lets_everybody_read(one) for one in _statements(policy or "{}"))


def _statements(policy: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError):
        return []
    return [found] if isinstance(found, dict) else [one for one in found if isinstance(one, dict)]


def _lets_everybody_read(statement: Mapping[str, Any]) -> bool:
    who, what = statement.get("Principal"), statement.get("Action", [])
    actions = [what] if isinstance(what, str) else list(what)
    everybody = who == "*" or (isinstance(who, dict) and who.get("AWS") in ("*", ["*"]))
    return (
        statement.get("Effect") == "Allow"
        and everybody
        and not statement.get("Condition")
        and any(action in ("s3:*", "s3:GetObject", "*") for action in actions)
    )


def any_object(client: Any, bucket: str, prefix: str) -> str | None:
    """The key of some object under a prefix, or None where there is none or it may not be listed."""
    found: list[Any] | None = _read(
        lambda: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", []), none=[]
    )
    return found[0]["Key"] if found else None
