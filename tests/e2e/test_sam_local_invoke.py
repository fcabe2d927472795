"""`sam local invoke` for each function, as docs/sam-local-invoke.md says, where a container engine answers."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local import build
from local.rights import unread_queue
from local.serve import write_for_sam_local_invoke
from local.stack import ROOT_KEYS, Stack
from local.stack import stack as start

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def _answers(engine: str) -> bool:
    where = urlsplit(engine)
    family, address = (socket.AF_UNIX, where.path) if where.scheme == "unix" else (socket.AF_INET, (where.hostname, where.port))
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) == 0


pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(not _answers(ENGINE), reason=f"no container engine answers at {ENGINE}; set DOCKER_HOST to try this"),
]


@pytest.fixture(scope="module")
def exposed() -> Iterator[Stack]:
    # A stack of its own: containers reach this machine by a name that is not loopback.
    with start(port=0, exposed=True) as aws:
        aws.put_secret(airtable_token="patTest.test", nca_api_key="test")
        write_for_sam_local_invoke(aws)
        yield aws


def invoke(aws: Stack, function: str, event: Path) -> Any:
    """What the function answers; its log goes to the test's output."""
    command = [str(Path(sys.executable).parent / "sam"), "local", "invoke", function]
    files = ["--config-file", str(aws.folder / "samconfig.toml"), "--event", str(event)]
    environ = build.sam_environ({**ROOT_KEYS, "DOCKER_HOST": ENGINE})
    done = subprocess.run([*command, *files], env=environ, cwd=build.ROOT, capture_output=True, text=True, check=False)
    print(done.stderr)
    assert done.returncode == 0
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_webhook_stores_a_callback_in_the_stack_outside(exposed: Stack) -> None:
    with unread_queue(exposed):
        answer = invoke(exposed, "WebhookFunction", exposed.folder / "events" / "webhook.json")
        received = exposed.client("sqs").receive_message(QueueUrl=exposed.queue_url, WaitTimeSeconds=5)
    assert answer["statusCode"] == 202
    assert "concatenate" in received["Messages"][0]["Body"]


def test_a_person_with_a_browser_sees_that_the_address_is_right(exposed: Stack) -> None:
    assert invoke(exposed, "WebhookFunction", exposed.folder / "events" / "webhook-get.json")["statusCode"] == 200


def test_a_wrong_token_is_refused(exposed: Stack) -> None:
    assert invoke(exposed, "WebhookFunction", build.ROOT / "events" / "webhook.json")["statusCode"] == 401


def test_persist_answers_for_each_message(exposed: Stack) -> None:
    assert set(invoke(exposed, "PersistFunction", build.ROOT / "events" / "persist.json")) == {"batchItemFailures"}


def test_the_poller_sweeps(exposed: Stack) -> None:
    invoke(exposed, "PollerFunction", build.ROOT / "events" / "poller.json")
