"""The store's own CopyObject, in one request. `copy_object.py FROM_BUCKET FROM_KEY ENDPOINT BUCKET KEY`."""

import sys

import boto3
from botocore.config import Config

from_bucket, from_key, endpoint, bucket, key = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(read_timeout=600, retries={"total_max_attempts": 1}))
s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": from_bucket, "Key": from_key})
