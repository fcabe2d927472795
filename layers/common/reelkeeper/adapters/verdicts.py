"""What a store's error means for us: the one place that reads S3's error codes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater

_UNTIL_SOMEONE_ACTS = timedelta(minutes=5)


class Taken(Exception):
    """An object is under that key already, and is never overwritten."""


class Missing(Exception):
    """No such object or upload."""


class Conflict(Exception):
    """Another write of this key was going on: a put is repeated, an upload begun anew (AWS, "Conditional writes")."""


class Spoiled(RetryLater):
    """What the store has is not what was sent."""


class Throttled(RetryLater):
    """The store asks for less."""


class KeyRefused(RetryLater):
    """The store does not let this key do that: it is wrong, withdrawn, or has too few rights."""


class NotOffered(RetryLater):
    """The store does not know what it was asked for."""


_VERDICTS: Mapping[str, type[Exception]] = {
    **dict.fromkeys(("PreconditionFailed", "412"), Taken),
    **dict.fromkeys(("NoSuchKey", "NoSuchUpload", "404"), Missing),
    **dict.fromkeys(("ConditionalRequestConflict", "OperationAborted", "409"), Conflict),
}
_DELAYED: Mapping[str, type[RetryLater]] = {
    **dict.fromkeys(("BadDigest", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "IncompleteBody"), Spoiled),
    **dict.fromkeys(("NotImplemented", "501"), NotOffered),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded", "503", "429"), Throttled),
}
# R2 says Unauthorized. A HEAD is answered without a body, and so with nothing but a number.
KEY_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "401", "403"})
# Settings or rights are wrong: a person must act, and the copy waits for it, since the job is not to blame.
_MISCONFIGURED: Mapping[str, type[RetryLater]] = {
    **dict.fromkeys(KEY_REFUSED, KeyRefused),
    **dict.fromkeys(("NoSuchBucket", "AccessControlListNotSupported", "AuthorizationHeaderMalformed"), RetryLater),
    **dict.fromkeys(("PermanentRedirect", "InvalidBucketName", "AllAccessDisabled"), RetryLater),
}


def judge(code: str, message: str, *, delay: timedelta | None = None) -> Exception:
    """The verdict on an error of the store; `delay` is what it asks for."""
    if code in _VERDICTS:
        return _VERDICTS[code](message)
    if code in _MISCONFIGURED:
        reason = f"the bucket says {code}: {message}; check the storage settings and the function's role"
        return _MISCONFIGURED[code](reason, delay=_UNTIL_SOMEONE_ACTS)
    return _DELAYED.get(code, RetryLater)(f"the bucket did not take it: {message}", delay=delay)


def code_of(error: ClientError) -> str:
    """The store's own word for it."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated() -> Iterator[None]:
    """Within it, boto3's errors come out as Taken, Missing, Conflict or RetryLater."""
    try:
        yield
    except ClientError as error:
        raise judge(code_of(error), str(error)) from error
    except BotoCoreError as error:
        raise RetryLater(f"the bucket did not answer: {error}") from error
