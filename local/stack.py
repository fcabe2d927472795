"""The whole of Reelkeeper on one machine: the real template, deployed to an emulator, for as long as a `with` block lasts.

    with stack(parameters={"NcaUrl": nca.address}, report=print) as aws:
        aws.put_secret(airtable_token="…")
        aws.post_callback({"job_id": "…", "code": 200, "response": ["https://…"]}, {"job_id": "rec…"})

`make stack` (`local/serve.py`) keeps one running, with the stand-ins beside it, until Ctrl-C.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import boto3
import psutil
import requests
from botocore.config import Config

from local import build, ports, process
from local.ports import Report, silent

FunctionName: TypeAlias = Literal["webhook", "persist", "poller"]

REGION = "us-east-1"
# ministack's root keys; requests signed with others are judged by IAM.
ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
STACK_NAME = "reelkeeper-local"
GATEWAY_PORT, MEDIA_PORT, API_PORT = 4566, 4567, 4568
START_S = 60.0
_EMULATOR = (str(build.ROOT / ".venv-stack" / "bin" / "python"), "-P", str(Path(__file__).with_name("emulator.py")))


class StackFailed(RuntimeError):
    """The local stack could not be started; the message says where to look."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: where it answers, what it is made of, and how to reach in from outside.

    `endpoint` is AWS, `api_address` the HTTP API, `media_address` the CDN, all on 127.0.0.1; `outputs` are the template's;
    `folder` holds the logs. Permanent URLs begin with `media_address`, so anyone on this machine may simply fetch them.
    """

    endpoint: str
    api_address: str
    media_address: str
    folder: Path
    outputs: Mapping[str, str]

    @property
    def queue_url(self) -> str:
        return self.outputs["QueueUrl"]

    @property
    def dead_letter_url(self) -> str:
        return self.outputs["DeadLetterQueueUrl"]

    @property
    def table(self) -> str:
        return self.outputs["LedgerTable"]

    @property
    def bucket(self) -> str:
        return self.outputs["BucketName"]

    def function(self, name: FunctionName) -> str:
        """The deployed function's name."""
        return self.outputs[f"{name.capitalize()}FunctionName"]

    def client(self, service: str) -> Any:
        """A boto3 client with root's rights."""
        return _client(self.endpoint, service)

    def webhook_base_url(self) -> str:
        """What the engine is given as WEBHOOK_BASE_URL; the token in it is read from its secret, as a person would."""
        secret = self.client("secretsmanager").get_secret_value(SecretId=self.outputs["WebhookTokenSecretArn"])
        return f"{self.api_address}/{json.loads(secret['SecretString'])['token']}"

    def post_callback(
        self, body: object, query: Mapping[str, str] | None = None, *, base_url: str | None = None, timeout: float = 180
    ) -> requests.Response:
        """POST as NCA does: JSON, or bytes and text as they are; `query` is what the engine put into the address.

        NCA waits for ever; here fifty cold starts at once may take a busy machine a minute, which is no failure.
        """
        address = f"{base_url or self.webhook_base_url()}/webhooks/nca-toolkit"
        payload = body if isinstance(body, bytes | str) else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return requests.post(address, params=dict(query or {}), data=payload, headers=headers, timeout=timeout)

    def put_secret(self, **values: str) -> None:
        """Fill the credentials secret. Functions read it at their cold start: do it before their first event."""
        secret = self.outputs["CredentialsSecretArn"]
        self.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(values))

    def invoke(self, name: FunctionName, event: object = None) -> Any:
        """Run a function now and return its answer; raises `StackFailed` with the error of a function that fails."""
        result = self.client("lambda").invoke(FunctionName=self.function(name), Payload=json.dumps(event or {}).encode())
        answer = json.loads(result["Payload"].read() or b"null")
        if "FunctionError" in result:
            raise StackFailed(f"{name} failed: {answer}")
        return answer

    def logs(self, name: FunctionName) -> list[str]:
        """What the function has logged since it was deployed, oldest first."""
        group = f"/aws/lambda/{self.function(name)}"
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        events = [event for page in pages for event in page["events"]]
        return [event["message"] for event in sorted(events, key=lambda event: event["timestamp"])]

    def kill(self, name: FunctionName) -> int:
        """SIGKILL every environment of a function, in the middle of whatever it does; returns how many there were.

        Its next event meets a cold start.
        """
        place = str(self.folder / "tmp" / f"ministack-lambda-{self.function(name)}-")
        doomed = [one for one in psutil.process_iter(["cmdline"]) if any(place in word for word in one.info["cmdline"] or ())]
        for one in doomed:
            one.kill()
        return len(doomed)


@contextmanager
def stack(
    *,
    parameters: Mapping[str, str] | None = None,
    report: Report = silent,
    port: int = GATEWAY_PORT,
    exposed: bool = False,
) -> Iterator[Stack]:
    """Start the emulator, build, deploy; end everything afterwards, whatever happened.

    `parameters` go to the template. `port` 0 takes free ones. `exposed` listens on every address of the machine, as a
    container needs that is to reach it; whoever reaches it then is root there. Raises `StackFailed` or `CommandFailed`.
    """
    gateway = ports.choose(port, "AWS", report)
    media = ports.choose(MEDIA_PORT if gateway == GATEWAY_PORT else 0, "the CDN", report)
    api = ports.choose(API_PORT if gateway == GATEWAY_PORT else 0, "the HTTP API", report)
    endpoint = f"http://127.0.0.1:{gateway}"
    folder = _fresh(build.ROOT / ".local" / f"stack-{gateway}")
    environ = _emulator_environ(folder, gateway, media, api, exposed=exposed)
    report("Starting AWS (ministack, with IAM enforced)")
    with process.running(_EMULATOR, environ=environ, log=folder / "emulator.log", cwd=folder) as emulator:
        # Both take seconds and neither waits for the other.
        build.build(log=folder / "sam.log", report=report)
        _wait_ready(endpoint, emulator.poll, folder / "emulator.log")
        report("Deploying the template (sam deploy)")
        _client(endpoint, "s3").create_bucket(Bucket=build.artifacts_bucket())
        public = {"PublicUrlTemplate": f"http://127.0.0.1:{media}/{{key}}"}
        build.deploy(
            {**public, **(parameters or {})},
            environ={"AWS_ENDPOINT_URL": endpoint, **ROOT_KEYS},
            log=folder / "sam.log",
        )
        described = _client(endpoint, "cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
        report("The stack is up")
        yield Stack(endpoint, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{media}", folder, outputs)
    shutil.rmtree(folder / "tmp", ignore_errors=True)


@contextmanager
def emulator() -> Iterator[str]:
    """AWS with nothing in it, at the address this yields, for as long as the block lasts."""
    gateway, media, api = (ports.choose(0, "AWS", silent) for _ in range(3))
    folder = _fresh(build.ROOT / ".local" / f"emulator-{gateway}")
    environ = _emulator_environ(folder, gateway, media, api, exposed=False)
    endpoint = f"http://127.0.0.1:{gateway}"
    with process.running(_EMULATOR, environ=environ, log=folder / "emulator.log", cwd=folder) as running:
        _wait_ready(endpoint, running.poll, folder / "emulator.log")
        yield endpoint
    shutil.rmtree(folder, ignore_errors=True)


def _client(endpoint: str, service: str) -> Any:
    session = boto3.Session(ROOT_KEYS["AWS_ACCESS_KEY_ID"], ROOT_KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    # Long enough for a function's whole run; a function must not be invoked twice because a client grew impatient.
    config = Config(read_timeout=930, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return session.client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]


def _emulator_environ(folder: Path, gateway: int, media: int, api: int, *, exposed: bool) -> dict[str, str]:
    """Functions inherit the emulator's environment, so nothing of this process's goes in."""
    (folder / "tmp").mkdir()
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "GATEWAY_PORT": str(gateway),
        "MEDIA_PORT": str(media),
        "API_PORT": str(api),
        "BIND_HOST": "0.0.0.0" if exposed else "127.0.0.1",
        "RUNTIME_FOLDER": str(folder / "runtime"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # ministack tidies up containers it takes for its own; it shall not find a person's engine.
        "DOCKER_HOST": "unix:///nonexistent",
    }


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _wait_ready(endpoint: str, ended: Any, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if ended() is not None:
            break
        try:
            if requests.get(f"{endpoint}/_ministack/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise StackFailed(f"The AWS emulator did not start; {log} says why. Its end:\n{log.read_text()[-2000:]}")
