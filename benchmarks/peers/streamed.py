"""boto3's own way to stream: `upload_fileobj` of a requests body. `streamed.py URL ENDPOINT BUCKET KEY`."""

import sys

import boto3
import requests

url, endpoint, bucket, key = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint)
with requests.get(url, stream=True, timeout=60) as response:
    response.raise_for_status()
    s3.upload_fileobj(response.raw, bucket, key)  # type: ignore[arg-type]
