"""Secrets Manager: one secret read as a flat JSON object of strings."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def read_secret(client: "SecretsManagerClient", secret_id: str) -> dict[str, str]:
    """The secret's keys and values; raises RetryLater naming the secret and the remedy, never its content."""
    try:
        text = client.get_secret_value(SecretId=secret_id)["SecretString"]
        value = json.loads(text)
    except (BotoCoreError, ClientError, KeyError) as error:
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            # What AWS also says of a secret that was made without a value, as the template does.
            raise RetryLater(
                f"the secret {secret_id} is empty or missing; put your keys into it as the stack's output FillCredentials shows"
            ) from error
        raise RetryLater(
            f"the secret {secret_id} cannot be read: {error}; check that it exists and the role allows it"
        ) from error
    except (ValueError, RecursionError):
        raise RetryLater(f"the secret {secret_id} is not JSON; put a JSON object of strings into it") from None
    if not isinstance(value, dict):
        raise RetryLater(f"the secret {secret_id} is not a JSON object of strings; put one into it")
    return {str(name): str(one) for name, one in value.items() if one is not None}
