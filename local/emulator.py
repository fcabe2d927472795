"""ministack, started by our own hand: where it differs from AWS in a way that matters here, it is put right before it runs.

Runs in the Python of .venv-stack: `python -P local/emulator.py`, its settings in the environment (see local/stack.py). Each
mend names what AWS does. None of this reaches the functions: they are deployed as they are.
"""

import asyncio
import base64
import ctypes
import os
import re
import signal
import string
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app as ministack_app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import apigateway, cloudfront, lambda_svc, s3, secretsmanager, sqs
from ministack.services.cloudformation import provisioners

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Answer = Any  # status, headers, body, as ministack's handlers give them

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# As in template.yaml; ministack looks about once a second anyway.
BATCHING_WINDOW_S = 2.0
LARGEST_BATCH_BYTES = 5_000_000
MIN_PART_BYTES = 5 * 1024 * 1024
# What Lambda's own Python carries beside the standard library (AWS, "Building Lambda functions with Python").
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")


def mend_full_object_checksums() -> None:
    """S3 knows two checksums of a multipart object; ministack 1.5.33 only the checksum of checksums, and refuses the other.

    With `ChecksumType=FULL_OBJECT` the value is that of the whole object (AWS, "Checking object integrity"): it is computed
    here over the parts named, so that a wrong one is refused and a right one is not. Also missing: EntityTooSmall.
    """
    create, complete = s3._create_multipart_upload, s3._complete_multipart_upload

    def create_remembering(bucket: str, key: str, headers: dict[str, str]) -> Answer:
        status, answer, body = create(bucket, key, headers)
        if status == 200 and headers.get("x-amz-checksum-type", "").upper() == "FULL_OBJECT":
            upload_id = re.search(rb"<UploadId>([^<]+)", body)
            assert upload_id
            s3._multipart_uploads[upload_id[1].decode()]["full_object"] = True
            answer = {**answer, "x-amz-checksum-type": "FULL_OBJECT"}
        return status, answer, body

    def complete_checking(
        bucket: str, key: str, body: bytes, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Answer:
        upload_id = s3._qp(query, "uploadId")
        upload = s3._multipart_uploads.get(upload_id)
        if upload is None:
            return complete(bucket, key, body, query, headers)
        headers = dict(headers or {})
        numbers = sorted(int(number) for number in re.findall(rb"<PartNumber>(\d+)", body))
        parts = [upload["parts"][number]["body"] for number in numbers if number in upload["parts"]]
        if any(len(part) < MIN_PART_BYTES for part in parts[:-1]):
            return s3._error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400)
        if not upload.get("full_object") or upload.get("checksum_algorithm") != "CRC32":
            return complete(bucket, key, body, query, headers)
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        actual = base64.b64encode(checksum.to_bytes(4, "big")).decode()
        declared = headers.pop("x-amz-checksum-crc32", None)
        if declared is not None and declared != actual:
            return s3._error("BadDigest", "The CRC32 you specified did not match the calculated checksum.", 400)
        status, answer, text = complete(bucket, key, body, query, headers)
        if status == 200:
            kept = s3._ensure_bucket(bucket)["objects"][key]
            composite = kept["checksums"].get("CRC32", "")
            kept["checksums"], kept["checksum_type"] = {"CRC32": actual}, "FULL_OBJECT"
            text = text.replace(composite.encode(), actual.encode()).replace(b">COMPOSITE<", b">FULL_OBJECT<")
            s3._completed_multipart_uploads[upload_id]["response"] = (status, answer, text)
        return status, answer, text

    s3._create_multipart_upload, s3._complete_multipart_upload = create_remembering, complete_checking


def mend_secrets() -> None:
    """CloudFormation: ExcludePunctuation is obeyed, and a secret declared without a value has none."""
    secret_string, handler = provisioners._sm_secret_string, provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create = handler["create"]

    def obedient_string(props: dict[str, Any]) -> str:
        rule = dict(props.get("GenerateSecretString") or {})
        if rule.get("ExcludePunctuation"):
            rule["ExcludeCharacters"] = rule.get("ExcludeCharacters", "") + string.punctuation
            props = {**props, "GenerateSecretString": rule}
        return str(secret_string(props))

    def create_empty(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, props, stack_name)
        if "SecretString" not in props and "GenerateSecretString" not in props:
            secretsmanager._secrets[name]["Versions"] = {}
        return name, attributes

    provisioners._sm_secret_string = obedient_string
    handler["create"] = create_empty


def mend_numbers() -> None:
    """CloudFormation: a Number parameter is a number where it is used; ministack's event source compared an int with text."""
    concurrency = lambda_svc._sqs_esm_concurrency

    def numeric(esm: dict[str, Any], *rest: Any) -> int:
        scaling = esm.get("ScalingConfig") or {}
        if isinstance(scaling.get("MaximumConcurrency"), str):
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return int(concurrency(esm, *rest))

    lambda_svc._sqs_esm_concurrency = numeric


def mend_batching() -> None:
    """Lambda: an event source waits its batching window for more messages, and a batch may have more than ten.

    ministack hands over each as it comes, and ten at most.
    """
    receive = sqs._receive_messages_for_esm
    since: dict[str, float] = {}

    def receive_after_the_window(queue_url: str, max_number: int) -> list[dict[str, Any]]:
        now = time.time()
        ready = sum(1 for message in sqs._get_q(queue_url)["messages"] if message["visible_at"] <= now)
        if ready == 0:
            since.pop(queue_url, None)
        elif ready < max_number and now - since.setdefault(queue_url, now) < BATCHING_WINDOW_S:
            return []
        else:
            since.pop(queue_url, None)
        # A batch above ten is made of several receives, and ends at the 6 MB that a function takes.
        batch: list[dict[str, Any]] = []
        while len(batch) < max_number and sum(len(message["body"]) for message in batch) < LARGEST_BATCH_BYTES:
            more = receive(queue_url, min(max_number - len(batch), 10))
            if not more:
                break
            batch += more
        return batch

    sqs._receive_messages_for_esm = receive_after_the_window


def mend_runtime(folder: Path) -> None:
    """Lambda: a function finds the standard library, boto3 and its layers, and nothing of ministack's own environment.

    Otherwise a package missing from the layer would go unnoticed here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = Path(s3.__file__).parents[2]
    for name in RUNTIME_PACKAGES:
        (folder / name).symlink_to(site / name)
    python = folder / "python"
    # -S: no site-packages of any kind; -s: nor the user's.
    python.write_text(f'#!/bin/sh\nexec "{getattr(sys, "_base_executable", sys.executable)}" -s -S "$@"\n')
    python.chmod(0o755)
    os.environ["PYTHONPATH"] = str(folder)
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._detect_runtime_binary = lambda _runtime: (str(python), script)


def mend_alarms() -> None:
    """CloudWatch: an alarm may watch an expression. ministack refuses such a one; here it is made and never judged."""
    record = provisioners._cw_metric_alarm_record

    def record_unjudged(name: str, props: dict[str, Any]) -> Any:
        if props.get("Metrics"):
            props = {**props, "Metrics": None, "Namespace": "Expressions", "MetricName": name, "Period": 300}
        return record(name, props)

    provisioners._cw_metric_alarm_record = record_unjudged


def doors(gateway: Callable[[Scope, Receive, Send], Awaitable[None]], media_port: int, api_port: int) -> Any:
    """Stand where AWS ends TLS, and give the CDN and the API addresses of their own: `http://127.0.0.1:{port}/…`.

    Loopback counts as TLS, so that "over TLS only" policies are judged as in the cloud; a caller who says `X-Forwarded-Proto:
    http` is judged as one without. The CDN's and the API's names here end in `.localhost`, which Python, unlike browsers and
    curl, does not resolve: what arrives at their ports gets the right Host header (this stack has one of each).
    """

    async def at_the_door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [*scope["headers"]]
            if host := _host_behind(scope["server"][1], media_port, api_port):
                headers = [(name, value) for name, value in headers if name != b"host"] + [(b"host", host.encode())]
            if not any(name == b"x-forwarded-proto" for name, _ in headers):
                headers.append((b"x-forwarded-proto", b"https"))
            scope = {**scope, "headers": headers}
        await gateway(scope, receive, send)

    return at_the_door


def _host_behind(port: int, media_port: int, api_port: int) -> str | None:
    if port == media_port:
        for distribution in _stored(cloudfront._distributions).values():
            return str(distribution["DomainName"])
    if port == api_port:
        for key in _stored(apigateway._apis):
            return f"{key[-1]}.execute-api.localhost"
    return None


def _stored(scoped: Any) -> dict[Any, Any]:
    # ministack keys its stores by account, region and name; the raw store shows them outside a request, too.
    return dict(scoped._data)


def mend_batch_rights() -> None:
    """SQS grants a batch action with its single one (AWS, "Amazon SQS API permissions"), ministack under a name of its own."""
    extract = iam_actions.extract_iam_action

    def extract_single(*request: Any) -> str | None:
        action: str | None = extract(*request)
        return action.removesuffix("Batch") if action is not None and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract_single


async def run(ports: list[int], bind: str, application: Any) -> None:
    config = Config()
    config.bind = [f"{bind}:{port}" for port in ports]
    config.keep_alive_timeout = 75
    config.accesslog = None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await serve(application, config, shutdown_trigger=stop.wait)


def die_with_parent() -> None:
    """Should whoever started us be killed outright, Linux tells us (the very thread that did it must live on)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    die_with_parent()
    gateway, media, api = (int(os.environ[name]) for name in ("GATEWAY_PORT", "MEDIA_PORT", "API_PORT"))
    mend_full_object_checksums()
    mend_secrets()
    mend_numbers()
    mend_batching()
    mend_alarms()
    mend_batch_rights()
    mend_runtime(Path(os.environ["RUNTIME_FOLDER"]))
    try:
        asyncio.run(run([gateway, media, api], os.environ["BIND_HOST"], doors(ministack_app.app, media, api)))
    finally:
        # Functions are in this process's group; one in the middle of an event would outlive it.
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
