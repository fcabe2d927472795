"""Secrets Manager, for who may write there: no function does, and none has the right."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reelkeeper.adapters.secrets import read_secret

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def change_secret(client: "SecretsManagerClient", secret_id: str, changes: Mapping[str, str]) -> None:
    """Change some of the secret's keys and keep the others; raises RetryLater where it cannot be read first."""
    text = json.dumps({**read_secret(client, secret_id), **changes})
    client.put_secret_value(SecretId=secret_id, SecretString=text)
