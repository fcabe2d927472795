"""The mission's own code: the whole file in memory, then one put. `whole.py URL ENDPOINT BUCKET KEY`."""

import sys

import boto3
import requests

url, endpoint, bucket, key = sys.argv[1:]
response = requests.get(url, timeout=60)
boto3.client("s3", endpoint_url=endpoint).put_object(Bucket=bucket, Key=key, Body=response.content)
