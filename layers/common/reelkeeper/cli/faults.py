"""Every error a person can do something about, as one line that says what."""

from collections.abc import Iterator

from reelkeeper.cli.place import NoStack
from reelkeeper.cli.screen import NotConfirmed
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.settings import ConfigurationError

_SIGN_IN = "sign in again (aws sso login, or new keys), then repeat the command"
# AWS's words for "who are you?"; the services do not agree on one.
_WHO_ARE_YOU = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NOT_ALLOWED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
        "AuthorizationErrorException",
        "403",
    }
)


# botocore's own errors, by a word of their names.
_REMEDIES = {
    "ProfileNotFound": "List yours: aws configure list-profiles",
    "Credential": "Name a profile with --profile or AWS_PROFILE, or sign in (aws sso login).",
    "SSO": "Sign in again: aws sso login",
    "Token": "Sign in again: aws sso login",
    "NoRegion": "Add --region, such as --region eu-central-1, or set AWS_REGION.",
    "Connect": "Check the network, --region and --endpoint-url (for the local stack: make stack).",
    "Timeout": "Check the network, --region and --endpoint-url (for the local stack: make stack).",
}


class Unusable(Exception):
    """What the person asked for makes no sense here; the message says what would."""


def explain(error: BaseException) -> str | None:
    """The error in one line with its remedy, or None where it is nobody's fault but ours."""
    for one in _causes(error):
        line = _from_aws(one)
        if line is not None:
            return line
    if isinstance(error, NoStack | NotConfirmed | Unusable | ConfigurationError):
        return str(error)
    if isinstance(error, RetryLater):
        return f"{_sentence(error.reason)} Try again in a moment; reelkeeper doctor looks for the reason."
    if isinstance(error, Refused):
        return error.reason
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An adapter's error wraps AWS's, and that is the one that knows."""
    while error is not None:
        yield error
        error = error.__cause__


def _from_aws(error: BaseException) -> str | None:
    if not type(error).__module__.startswith(("botocore", "boto3")):
        return None
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        return _answered(str(answer.get("Error", {}).get("Code", "")), error)
    # By name, since this module must not import botocore for the commands that need no AWS.
    remedies = (remedy for word, remedy in _REMEDIES.items() if word in type(error).__name__)
    return f"{_sentence(str(error))} {next(remedies, '')}".strip()


def _answered(code: str, error: BaseException) -> str:
    operation = getattr(error, "operation_name", "it")
    if code in _WHO_ARE_YOU:
        return f"AWS does not accept these credentials ({code}): {_SIGN_IN}."
    if code in _NOT_ALLOWED:
        return f"You may not do this: AWS denies {operation} ({code}). Use a profile that may (--profile), or have it allowed."
    return f"AWS refuses {operation}: {error}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
