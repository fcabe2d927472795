"""A place for the operator's command to work on: the template's ledger, queues, bucket and secrets on the emulator, both
stand-ins, and jobs in every condition. No function runs, so that nothing moves but by the command's own hand."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from local import airtable as airtable_stand_in
from local import nca as nca_stand_in
from local.airtable import Served as Airtable
from local.nca import Nca
from local.stack import REGION, ROOT_KEYS, emulator
from reelkeeper.adapters.inbox import Inbox
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.queue import Queue
from reelkeeper.domain.job import Event, Job, JobState
from reelkeeper.domain.message import Message, encode
from tests.terminal import REELKEEPER, Shown, show
from tests.unit.builders import a_job, a_stored_output
from tests.unit.cloudformation import resource

STACK = "reelkeeper-test"
_DECLARED = ("Ledger", "Queue", "DeadLetterQueue", "Bucket", "WebhookTokenSecret", "CredentialsSecret", "Topic")
_FUNCTIONS = ("Webhook", "Persist", "Poller")
_OUTPUTS = {
    "QueueUrl": "Queue",
    "DeadLetterQueueUrl": "DeadLetterQueue",
    "LedgerTable": "Ledger",
    "BucketName": "Bucket",
    "WebhookTokenSecretArn": "WebhookTokenSecret",
    "CredentialsSecretArn": "CredentialsSecret",
    "TopicArn": "Topic",
}


def job_id(number: int) -> str:
    """An id of NCA's kind, the same in every run."""
    return f"{number:08d}-0000-4000-8000-000000000000"


KEPT, STUCK, FAILED, REJECTED, LOST, FRESH = (job_id(number) for number in range(1, 7))


@dataclass(frozen=True, slots=True)
class Operated:
    """Everything the command may reach, and its environment."""

    endpoint: str
    outputs: Mapping[str, str]
    nca: Nca
    airtable: Airtable
    record_id: str
    target_id: str

    @property
    def environ(self) -> dict[str, str]:
        return {**ROOT_KEYS, "AWS_ENDPOINT_URL": self.endpoint, "REELKEEPER_STACK": STACK}

    def client(self, service: str) -> Any:
        session: Any = boto3.Session(ROOT_KEYS["AWS_ACCESS_KEY_ID"], ROOT_KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.client("dynamodb"), self.outputs["LedgerTable"])

    @property
    def queue(self) -> Queue:
        return Queue(self.client("sqs"), self.outputs["QueueUrl"])

    @property
    def dead_letters(self) -> Queue:
        return Queue(self.client("sqs"), self.outputs["DeadLetterQueueUrl"])

    @property
    def inbox(self) -> Inbox:
        return Inbox(lambda: self.client("s3"), self.outputs["BucketName"])


@contextmanager
def operated() -> Iterator[Operated]:
    """Start it all and put the jobs into it."""
    with emulator() as endpoint, nca_stand_in.serve() as nca, airtable_stand_in.serve(rate_limited=False) as airtable:
        target = airtable.base.create("Segments", {"Name": "Opening", "Status": "combined"})
        fields = {"Type": "combine", "Status": "completed", "External Job ID": KEPT, "Related Segment Video": [target]}
        row = airtable.base.create("Jobs", fields)
        here = Operated(endpoint, {}, nca, airtable, row, target)
        here = replace(here, outputs=_deploy(here))
        secret = json.dumps({"airtable_token": airtable.token, "nca_api_key": nca.api_key})
        here.client("secretsmanager").put_secret_value(SecretId=here.outputs["CredentialsSecretArn"], SecretString=secret)
        _fill(here)
        yield here


def reelkeeper(here: Operated, *words: str, types: str = "", **environ: str) -> Shown:
    """What the command shows in a terminal; `types` is typed when it asks."""
    return show([REELKEEPER, *words], environ={**here.environ, **environ}, types=types)


def _deploy(here: Operated) -> dict[str, str]:
    """The template's own resources, and functions that only have an environment."""
    declared = {name: {"Type": _type(name), "Properties": _as_json(resource(name))} for name in _DECLARED}
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): ...")
    cloudformation = here.client("cloudformation")
    outputs = {name: {"Value": {"Ref": logical}} for name, logical in _OUTPUTS.items()}
    names = {f"{name}FunctionName": {"Value": f"{STACK}-{name.lower()}"} for name in _FUNCTIONS}
    api = {"ApiAddress": {"Value": "https://api.example.com"}, "PrintWebhookBaseUrl": {"Value": "aws secretsmanager … | sed …"}}
    body = {"Resources": declared, "Outputs": {**outputs, **names, **api}}
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(body))
    described = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    found = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
    environment = {
        "QUEUE_URL": found["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": found["DeadLetterQueueUrl"],
        "TABLE": found["LedgerTable"],
        "BUCKET": found["BucketName"],
        "SECRET_ARN": found["CredentialsSecretArn"],
        "NCA_URL": here.nca.address,
        "TOPIC_ARN": found["TopicArn"],
        "TOKEN_SECRET_ARN": found["WebhookTokenSecretArn"],
        "PUBLIC_URL_TEMPLATE": "https://media.example.com/{key}",
        "SOURCE_LOCAL_HOSTS": here.nca.host,
        "AIRTABLE_BASE_ID": here.airtable.base_id,
        "AIRTABLE_ENDPOINT": here.airtable.address,
    }
    for name in _FUNCTIONS:
        here.client("iam").create_role(RoleName=f"{STACK}-{name.lower()}", AssumeRolePolicyDocument="{}")
        here.client("lambda").create_function(
            FunctionName=f"{STACK}-{name.lower()}",
            Runtime="python3.13",
            Role=f"arn:aws:iam::000000000000:role/{STACK}-{name.lower()}",
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": environment},
        )
    return found


def _fill(here: Operated) -> None:
    """A job in each condition, with what else there is of it; minutes and hours old, so that ages read alike every time."""
    now = datetime.now(UTC)
    output = a_stored_output(
        key=f"outputs/{KEPT}/0-opening.mp4", name="opening.mp4", size=48, stored_at=now - timedelta(hours=5)
    )
    output = replace(output, permanent_url=f"https://media.example.com/outputs/{KEPT}/0-opening.mp4")
    here.client("s3").put_object(Bucket=here.outputs["BucketName"], Key=output.key or "", Body=b"x" * 48)
    kept = _keep(
        here, JobState.KEPT, KEPT, 5, ("finished: NCA reports success, 1 output (webhook)", "kept: every object is there"),
        record_id=here.record_id, operation="combine", outputs=(output,), told_at=now - timedelta(hours=5), due_at=None,
    )  # fmt: skip
    here.ledger.refer(kept, [here.target_id, "opening.mp4"])
    stuck = _keep(
        here, JobState.SUBMITTED, STUCK, 3, ("looked at by the poller: nothing new",),
        record_id="recStuck000000000", operation="concatenate", attempts=2, due_at=now + timedelta(hours=1),
    )  # fmt: skip
    here.ledger.keep_message(stuck.job_id, _message({"job_id": STUCK, "message": "?"}, now), elsewhere=str)
    failed = _keep(
        here, JobState.FAILED, FAILED, 30, ("failed: NCA reports failure (webhook)",),
        record_id="recFailed00000000", operation="combine", error="404 Client Error: NOT FOUND", told_at=now, due_at=None,
    )  # fmt: skip
    here.ledger.keep_message(failed.job_id, _message({"job_id": FAILED, "code": 500, "message": "404"}, now), elsewhere=str)
    _keep(
        here, JobState.REJECTED, REJECTED, 50, ("rejected: an HTML page, no video",),
        record_id="recRejected000000", operation="add_music", error="an HTML page, no video", told_at=now, due_at=None,
    )  # fmt: skip
    _keep(
        here, JobState.LOST, LOST, 70, ("lost: NCA no longer has it and no output exists",),
        record_id="recLost0000000000", operation="concatenate", error="NCA no longer has it", told_at=now, due_at=None,
    )  # fmt: skip
    _keep(here, JobState.SUBMITTED, FRESH, 0.5, (), operation="combine", due_at=now + timedelta(minutes=5))
    here.dead_letters.bury("not one of ours", reason="not a Reelkeeper message: JSONDecodeError")
    dead = encode(_message({"job_id": FAILED, "code": 500, "message": "404"}, now))
    here.dead_letters.bury(dead, reason="a fault of ours: KeyError: 'x'")
    here.inbox.put(_message({"job_id": job_id(9), "code": 200, "message": "success"}, now))
    group = f"/aws/lambda/{STACK}-persist"
    logs = here.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    line = {"level": "INFO", "message": "outputs copied", "job_id": KEPT, "state": "stored", "origin": "webhook"}
    at = int((now - timedelta(hours=5)).timestamp() * 1000) + 12_000
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[{"timestamp": at, "message": json.dumps(line)}])


def _keep(here: Operated, state: JobState, id_: str, hours: float, history: tuple[str, ...], **changes: Any) -> Job:
    at = datetime.now(UTC) - timedelta(hours=hours)
    events = tuple(
        Event(at + timedelta(seconds=10 * place), what) for place, what in enumerate(("first heard of by webhook", *history))
    )
    values: dict[str, Any] = {"record_id": None, "outputs": (), "submitted_at": None, **changes}
    job = a_job(state, job_id=id_, received_at=at, updated_at=events[-1].at, history=events, version=0, **values)
    return here.ledger.save(job)


def _message(body: Mapping[str, Any], at: datetime) -> Message:
    return Message(body=json.dumps(body).encode(), received_at=at, query={"operation": "combine"})


def _type(name: str) -> str:
    kinds = {"Ledger": "DynamoDB::Table", "Bucket": "S3::Bucket", "Topic": "SNS::Topic"}
    return f"AWS::{kinds.get(name, 'SQS::Queue' if name.endswith('Queue') else 'SecretsManager::Secret')}"


def _as_json(value: Any) -> Any:
    """`!GetAtt A.B` is a list in JSON."""
    if isinstance(value, dict):
        return {
            name: one.split(".") if name == "Fn::GetAtt" and isinstance(one, str) else _as_json(one)
            for name, one in value.items()
        }
    return [_as_json(one) for one in value] if isinstance(value, list) else value
