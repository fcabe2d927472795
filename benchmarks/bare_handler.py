"""The peer: the least a function could do with a callback, one boto3 client and one SQS message."""

import json
import os
from typing import Any

import boto3

sqs = boto3.client("sqs")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    answer = sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])
    return {"statusCode": 202, "body": json.dumps({"id": answer["MessageId"]})}
