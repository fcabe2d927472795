"""Secrets Manager, for who may write there: no function does, and none has the right."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from reelkeeper.adapters.secrets import read_secret
from reelkeeper.domain.errors import RetryLater

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def present_secret(client: "SecretsManagerClient", secret_id: str) -> dict[str, str]:
    """What the secret holds; nothing where nobody has filled it in yet. Raises RetryLater where it cannot be read."""
    try:
        return read_secret(client, secret_id)
    except RetryLater as error:
        # The template makes it without a value, and AWS says so in these words.
        if (
            isinstance(error.__cause__, ClientError)
            and error.__cause__.response["Error"]["Code"] == "ResourceNotFoundException"
        ):
            return {}
        raise


def change_secret(client: "SecretsManagerClient", secret_id: str, changes: Mapping[str, str]) -> None:
    """Change some of the secret's keys and keep the others; raises RetryLater where it cannot be read first."""
    text = json.dumps({**present_secret(client, secret_id), **changes})
    client.put_secret_value(SecretId=secret_id, SecretString=text)
