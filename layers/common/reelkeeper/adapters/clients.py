"""The AWS clients, made once per cold start with the patience each caller can afford."""

from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient

# NCA waits for our answer in the only thread that runs ffmpeg, so the webhook gives up early and takes the inbox instead.
IMPATIENT = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
PATIENT = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})


# aws-sam-cli brings other stubs of boto3, which name the same types otherwise; whichever was installed last is in force.
_client: Any = boto3.client


def sqs(config: Config = PATIENT) -> "SQSClient":
    return cast("SQSClient", _client("sqs", config=config))


def s3(config: Config = PATIENT) -> "S3Client":
    return cast("S3Client", _client("s3", config=config))


def secrets_manager(config: Config = PATIENT) -> "SecretsManagerClient":
    return cast("SecretsManagerClient", _client("secretsmanager", config=config))


def dynamodb() -> "DynamoDBClient":
    return cast("DynamoDBClient", _client("dynamodb", config=PATIENT))


def ssm() -> "SSMClient":
    return cast("SSMClient", _client("ssm", config=PATIENT))


def sns() -> "SNSClient":
    return cast("SNSClient", _client("sns", config=PATIENT))
