"""What an error of DynamoDB means for us: the one place that reads its codes, as verdicts.py is for a store's."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import Refused, RetryLater


@contextmanager
def translated(conflict: Exception | None = None) -> Iterator[None]:
    """Within it a condition that does not hold is the `conflict`, what cannot be held Refused, and all else RetryLater."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if conflict is not None and code == "ConditionalCheckFailedException":
            raise conflict from error
        if code == "ValidationException":
            # Larger than an item may be, or with a key that is none: the same again would meet the same answer.
            raise Refused(f"the ledger cannot hold this: {error}") from error
        raise RetryLater(f"the ledger did not answer: {error}") from error
    except BotoCoreError as error:
        raise RetryLater(f"the ledger did not answer: {error}") from error
