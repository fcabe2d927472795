"""The roles and the code: what an adapter asks of AWS is granted, and nothing is granted that no adapter asks for.

The local stack enforces IAM, but only where a test comes along; this reads every call there is.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.unit.cloudformation import ROOT, statements

SERVICES = {
    "clients": "",
    "ledger": "dynamodb",
    "register": "dynamodb",
    "pace": "dynamodb",
    "notebook": "dynamodb",
    "queue": "sqs",
    "inbox": "s3",
    "bucket": "s3",
    "versions": "s3",
    "uploads": "s3",
    "nca_bucket": "s3",
    "secrets": "secretsmanager",
    "parameters": "ssm",
    "topic": "sns",
}
# Where the right has another name than the call (AWS, "Actions, resources, and condition keys for Amazon S3").
NAMED_OTHERWISE = {
    "head_object": ("GetObject",),
    "list_objects_v2": ("ListBucket",),
    "list_object_versions": ("ListBucketVersions",),
    "list_parts": ("ListMultipartUploadParts",),
    "create_multipart_upload": ("PutObject",),
    "upload_part": ("PutObject",),
    "complete_multipart_upload": ("PutObject",),
    "list_multipart_uploads": ("ListBucketMultipartUploads",),
    "copy": ("GetObject", "PutObject"),
    "copy_object": ("GetObject", "GetObjectVersion", "PutObject"),
    "upload_part_copy": ("GetObject", "GetObjectVersion", "PutObject"),
    "send_message_batch": ("SendMessage",),
    # Signed by us, carried by another client.
    "generate_presigned_url": (),
}
# What Lambda itself does with the role: it reads the queue, and writes logs and traces.
LAMBDAS_OWN = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    *("logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
}
LAYER = ROOT / "layers" / "common"
ADAPTERS = LAYER / "reelkeeper" / "adapters"
IMPORT = re.compile(r"^\s*from (reelkeeper[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)
WORD = re.compile(r"\w+")
CALL = re.compile(r'client(?:\(\))?\.(?!get_paginator)([a-z_0-9]+)\(|get_paginator\("([a-z_0-9]+)"')


@cache
def adapters(function: str) -> frozenset[str]:
    """The adapters that a function loads, followed from import to import."""
    seen: set[Path] = set()
    waiting = [ROOT / "functions" / function / "app.py"]
    while waiting:
        for package, words in IMPORT.findall(waiting.pop().read_text()):
            # `from reelkeeper.adapters import clients, guard` names modules; most name what is in one.
            names = (package, *(f"{package}.{word}" for word in WORD.findall(words)))
            files = {LAYER / f"{name.replace('.', '/')}.py" for name in names}
            waiting += [file for file in files - seen if file.exists()]
            seen |= files
    return frozenset(file.stem for file in seen if file.parent == ADAPTERS and file.exists())


def asked(function: str) -> Iterator[str]:
    """The rights of every call in those adapters."""
    for name in adapters(function):
        service = SERVICES.get(name)
        calls = CALL.findall((ADAPTERS / f"{name}.py").read_text()) if service else ()
        for call in map("".join, calls):
            for action in NAMED_OTHERWISE.get(call, ("".join(word.capitalize() for word in call.split("_")),)):
                yield f"{service}:{action}"


def granted(role: str) -> set[str]:
    return {
        action
        for statement in statements(role)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


@pytest.mark.parametrize(
    ("function", "role"), [("webhook", "WebhookRole"), ("persist", "PersistRole"), ("poller", "PollerRole")]
)
def test_a_role_has_no_right_that_no_adapter_of_its_function_uses(function: str, role: str) -> None:
    assert granted(role) - set(asked(function)) - LAMBDAS_OWN == set()


def test_whatever_the_workers_adapters_ask_for_one_of_their_roles_may_do() -> None:
    wanted = {*asked("persist"), *asked("poller")}
    assert wanted - granted("PersistRole") - granted("PollerRole") == set()


def test_every_adapter_that_talks_to_aws_is_known_here() -> None:
    loaded = adapters("webhook") | adapters("persist") | adapters("poller")
    assert {name for name in loaded if CALL.search((ADAPTERS / f"{name}.py").read_text())} <= set(SERVICES)
    assert adapters("webhook") == {"clients", "inbox", "queue", "secrets"}
    assert {"ledger", "bucket", "airtable"} <= adapters("persist")
