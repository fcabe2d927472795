"""boto3's upload of a local file. `from_disk.py FILE ENDPOINT BUCKET KEY`."""

import sys

import boto3

file, endpoint, bucket, key = sys.argv[1:]
boto3.client("s3", endpoint_url=endpoint).upload_file(file, bucket, key)
