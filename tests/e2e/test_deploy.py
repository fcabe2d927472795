"""What `sam deploy` makes of the template: it is there, it is closed, and its rights are enforced."""

import json
from collections.abc import Iterator

import pytest
import requests
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from local.rights import without
from local.stack import Stack

KEY = "outputs/a-job/0-film.mp4"


@pytest.fixture(scope="module")
def film(stack: Stack) -> Iterator[bytes]:
    """An object as persist leaves them, there for this module only."""
    content = bytes(range(256)) * 64
    headers = {"ContentType": "video/mp4", "CacheControl": "public, max-age=31536000, immutable"}
    stack.client("s3").put_object(Bucket=stack.bucket, Key=KEY, Body=content, **headers)
    yield content
    stack.client("s3").delete_object(Bucket=stack.bucket, Key=KEY)


def test_every_output_has_a_value(stack: Stack) -> None:
    assert all(stack.outputs.values())


def test_the_token_is_generated_and_shown_nowhere(stack: Stack) -> None:
    token = stack.webhook_base_url().rpartition("/")[2]
    template = stack.client("cloudformation").get_template(StackName="reelkeeper-local")["TemplateBody"]
    assert len(token) == 43
    assert token.isalnum()
    assert token not in json.dumps([dict(stack.outputs), template], default=str)


def test_the_printed_command_composes_the_address(stack: Stack) -> None:
    command = stack.outputs["PrintWebhookBaseUrl"]
    assert stack.outputs["WebhookTokenSecretArn"] in command
    assert f"https://{stack.outputs['ApiId']}.execute-api." in command


def test_a_permanent_address_serves_the_file_in_ranges(stack: Stack, film: bytes) -> None:
    whole = requests.get(f"{stack.media_address}/{KEY}", timeout=10)
    part = requests.get(f"{stack.media_address}/{KEY}", headers={"Range": "bytes=1000-1999"}, timeout=10)
    assert (whole.status_code, whole.content) == (200, film)
    assert (part.status_code, part.content) == (206, film[1000:2000])
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_page_elsewhere_may_play_it(stack: Stack, film: bytes) -> None:
    answer = requests.get(f"{stack.media_address}/{KEY}", headers={"Origin": "https://airtable.com"}, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_plain_http_is_sent_to_https(stack: Stack, film: bytes) -> None:
    # Loopback counts as TLS here (local/emulator.py) unless the caller says otherwise.
    headers = {"X-Forwarded-Proto": "http"}
    answer = requests.get(f"{stack.media_address}/{KEY}", headers=headers, allow_redirects=False, timeout=10)
    assert answer.status_code == 301


def test_the_bucket_itself_is_closed_to_strangers(stack: Stack, film: bytes) -> None:
    assert requests.get(f"{stack.endpoint}/{stack.bucket}/{KEY}", timeout=10).status_code == 403


@pytest.mark.parametrize("key", ["inbox/2026/11/24/callback.json", "quarantine/a-job/0-page.html"])
def test_the_cdn_shows_neither_inbox_nor_quarantine(stack: Stack, key: str) -> None:
    stack.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=b"private")
    try:
        assert requests.get(f"{stack.media_address}/{key}", timeout=10).status_code == 403
    finally:
        stack.client("s3").delete_object(Bucket=stack.bucket, Key=key)


def test_the_bucket_is_versioned_encrypted_and_blocked(stack: Stack) -> None:
    s3 = stack.client("s3")
    assert s3.get_bucket_versioning(Bucket=stack.bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket=stack.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    block = s3.get_public_access_block(Bucket=stack.bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())


def test_a_wrong_checksum_of_the_whole_object_is_refused(stack: Stack) -> None:
    s3 = stack.client("s3")
    place = {"Bucket": stack.bucket, "Key": "outputs/a-job/1-broken.mp4"}
    upload = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    part = s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"film", ChecksumAlgorithm="CRC32")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]}
    finish = {**place, "UploadId": upload, "MultipartUpload": parts, "ChecksumType": "FULL_OBJECT"}
    with pytest.raises(ClientError, match="BadDigest"):
        s3.complete_multipart_upload(**finish, ChecksumCRC32="AAAAAA==")
    s3.complete_multipart_upload(**finish, ChecksumCRC32=part["ChecksumCRC32"])
    kept = s3.head_object(**place, ChecksumMode="ENABLED")
    assert (kept["ChecksumCRC32"], kept["ChecksumType"]) == (part["ChecksumCRC32"], "FULL_OBJECT")
    s3.delete_object(**place)


def test_a_function_fails_without_its_permission_and_works_again_with_it(stack: Stack) -> None:
    """Enforcement itself is proven here: every other e2e test relies on it."""
    assert stack.post_callback({"job_id": "enforced", "code": 500, "message": "a test"}).status_code == 202
    with without(stack, "webhook", "queue", "inbox"):
        assert stack.post_callback({"job_id": "enforced", "code": 500, "message": "a test"}).status_code == 503
    assert stack.post_callback({"job_id": "enforced", "code": 500, "message": "a test"}).status_code == 202


def test_the_queues_refuse_a_request_without_tls(stack: Stack) -> None:
    # The bucket says the same in its policy; ministack does not hold its root to that one.
    client = stack.client("sqs")
    client.meta.events.register("before-send", _in_the_open)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.send_message(QueueUrl=stack.dead_letter_url, MessageBody="in the open")


def _in_the_open(request: AWSPreparedRequest, **_: object) -> None:
    request.headers["X-Forwarded-Proto"] = "http"
