"""SSM: one parameter read as text."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import RetryLater

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


def read_parameter(client: "SSMClient", name: str) -> str:
    """The parameter's text; raises RetryLater naming the parameter and the remedy."""
    try:
        return client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except (BotoCoreError, ClientError, KeyError) as error:
        raise RetryLater(f"the parameter {name} cannot be read: {error}; create it or correct MappingParameter") from error
