"""The poller and persist as Lambda calls them, AWS in process, against the stand-ins of NCA and Airtable over real HTTP."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from functions.persist import app as persist
from functions.poller import app as poller
from local import airtable as airtable_stand_in
from local import nca as nca_stand_in
from local.airtable import Served as Airtable
from local.demo.lost import mapping
from local.media import make
from local.nca import LIST_KEY, Fault, Nca
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.domain.callback import Callback, parse
from reelkeeper.domain.job import Job
from reelkeeper.domain.message import Message, decode

CONTEXT = SimpleNamespace(aws_request_id="sweep", get_remaining_time_in_millis=lambda: 270_000)
MINUTE = timedelta(minutes=1)
WEBHOOK = "http://127.0.0.1:9/webhooks/nca-toolkit"


@dataclass(frozen=True, slots=True)
class Place:
    """Everything around the functions."""

    nca: Nca
    airtable: Airtable
    ledger: Ledger
    queue_url: str
    people_url: str

    def order(self, *, minutes_old: float = 6, **payload: Any) -> tuple[str, str]:
        """A row and its job, given in some minutes ago; NCA's callback goes nowhere."""
        self.airtable.clock.advance(-minutes_old * MINUTE)
        row = self.airtable.base.create("Jobs", {"Type": "concatenate", "Status": "processing"})
        self.airtable.clock.advance(minutes_old * MINUTE)
        scene = self.nca.put_input("scene.txt", b"a film")
        request = {"filename": f"{row}.txt", "file_url": scene, "public": True, **payload}
        answer = self.nca.submit("/v1/s3/upload", {**request, "id": row, "webhook_url": WEBHOOK}).json()
        self.airtable.base.change("Jobs", row, {"External Job ID": answer["job_id"], "Request Payload": repr(request)})
        return row, answer["job_id"]

    def sweep(self) -> dict[str, Any]:
        answer: dict[str, Any] = poller.handler({}, CONTEXT)
        assert "error" not in answer, answer
        return answer

    def sent(self) -> list[Callback]:
        """What is on the queue, as persist will read it."""
        sqs: Any = boto3.client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        messages = [decode(one["Body"]) for one in found]
        return [parse(one.body, one.query) for one in messages if isinstance(one, Message)]

    def persist(self) -> None:
        """Let persist work through what is on the queue."""
        sqs: Any = boto3.client("sqs")
        while found := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", []):
            records = [
                {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": {"ApproximateReceiveCount": "1"},
                }
                for one in found
            ]
            again = {one["itemIdentifier"] for one in persist.handler({"Records": records}, CONTEXT)["batchItemFailures"]}
            for one in found:
                if one["MessageId"] not in again:
                    sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=one["ReceiptHandle"])

    def later(self, job_id: str, by: timedelta) -> None:
        """Let time pass for one job."""

        def moved(job: Job | None) -> Job:
            assert job is not None
            moments = ("due_at", "gone_since", "received_at", "submitted_at")
            values = {name: at - by for name in moments if (at := getattr(job, name)) is not None}
            return type(job)(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, **values})

        self.ledger.change(job_id, moved)

    def told(self) -> list[str]:
        """The subjects of what people were told."""
        sqs: Any = boto3.client("sqs")
        found = sqs.receive_message(QueueUrl=self.people_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"])["Subject"] for one in found]


@pytest.fixture
def place(dynamodb: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    sqs, s3, sns = boto3.client("sqs"), boto3.client("s3"), boto3.client("sns")
    s3.create_bucket(Bucket="bucket")
    topic = sns.create_topic(Name="people")["TopicArn"]
    people = sqs.create_queue(QueueName="people")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{topic.split(':')[4]}:people")
    with nca_stand_in.serve() as nca, airtable_stand_in.serve(rate_limited=False) as airtable:
        secret = {
            "airtable_token": airtable.token,
            "nca_api_key": nca.api_key,
            "nca_bucket_access_key": LIST_KEY,
            "nca_bucket_secret_key": "local",
        }
        boto3.client("secretsmanager").create_secret(Name="keys", SecretString=json.dumps(secret))
        settings = {
            "QUEUE_URL": sqs.create_queue(QueueName="queue")["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="dead")["QueueUrl"],
            "TABLE": "ledger",
            "BUCKET": "bucket",
            "SECRET_ARN": "keys",
            "PUBLIC_URL_TEMPLATE": "https://kept.example.net/{key}",
            "AIRTABLE_BASE_ID": airtable.base_id,
            "AIRTABLE_ENDPOINT": airtable.address,
            "NCA_URL": nca.address,
            "NCA_BUCKET_URL": nca.bucket_url,
            "NCA_WORKERS": "1",
            "SOURCE_LOCAL_HOSTS": nca.host,
            "TOPIC_ARN": topic,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        persist._outside.cache_clear()
        poller._outside.cache_clear()
        yield Place(nca, airtable, ledger, settings["QUEUE_URL"], people)
        persist._outside.cache_clear()
        poller._outside.cache_clear()


def test_a_lost_callback_is_found_in_airtable_and_at_nca_and_ends_well(place: Place) -> None:
    row, job_id = place.order()
    assert place.nca.toolkit.wait_idle()
    swept = place.sweep()
    assert (swept["entered"], swept["sent"]) == (1, 1)
    job = place.ledger.get(job_id)
    assert job is not None
    assert job.submitted_at is not None
    assert timedelta(minutes=5) < datetime.now(UTC) - job.submitted_at < timedelta(minutes=8)
    (callback,) = place.sent()
    assert (callback.outcome, callback.record_id, callback.operation) == ("success", row, "concatenate")
    assert callback.outputs[0].url == place.nca.storage.url(f"{row}.txt")


def test_rows_that_are_young_or_name_no_job_are_left_alone(place: Place) -> None:
    place.order(minutes_old=1)
    place.airtable.clock.advance(-10 * MINUTE)
    place.airtable.base.create("Jobs", {"Type": "combine", "Status": "pending"})
    place.airtable.clock.advance(10 * MINUTE)
    swept = place.sweep()
    assert (swept["entered"], swept["unnamed"]) == (0, 1)


def test_two_hundred_and_fifty_rows_come_in_pages_and_enter_once(place: Place) -> None:
    place.airtable.clock.advance(-10 * MINUTE)
    for number in range(250):
        fields = {"Type": "combine", "Status": "processing", "External Job ID": f"job-{number}"}
        place.airtable.base.create("Jobs", fields)
    place.airtable.clock.advance(10 * MINUTE)
    assert place.sweep()["entered"] == 250
    assert place.sweep()["entered"] == 0


def test_nca_killed_with_a_job_is_one_incident_and_the_job_is_failed_with_the_reason(place: Place) -> None:
    place.sweep()
    place.nca.switches.on(Fault.SLOW, seconds=60)
    row, job_id = place.order()
    place.sweep()
    place.nca.toolkit.restart()
    for _ in range(2):
        place.later(job_id, 11 * MINUTE)
        place.sweep()
    place.persist()
    shown = place.airtable.base.get("Jobs", row)
    assert shown["Status"] == "failed"
    assert "worker that is gone" in shown["Error Details"]
    assert place.told() == ["Reelkeeper: NCA was restarted and lost jobs"]


def test_a_lost_job_is_handed_in_anew_by_its_stored_request_and_its_row_ends_well(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the demo plays it, with the demo's own mapping."""
    boto3.client("ssm").put_parameter(Name="/mapping", Type="String", Value=mapping())
    monkeypatch.setenv("MAPPING_PARAMETER", "/mapping")
    poller._outside.cache_clear()
    place.sweep()
    place.airtable.clock.advance(-6 * MINUTE)
    video = place.airtable.base.create("Videos", {"Name": "Film"})
    row = place.airtable.base.create("Jobs", {"Type": "concatenate", "Status": "processing", "Related Video": [video]})
    place.airtable.clock.advance(6 * MINUTE)
    request = {"video_urls": [{"video_url": place.nca.put_input("scene.mp4", make.video(seconds=1, hue=0.1))}]}
    place.nca.switches.on(Fault.SLOW, seconds=60)
    answer = place.nca.submit("/v1/video/concatenate", {**request, "id": row, "webhook_url": WEBHOOK}).json()
    place.airtable.base.change("Jobs", row, {"External Job ID": answer["job_id"], "Request Payload": repr(request)})
    place.sweep()
    place.nca.toolkit.restart()
    place.nca.switches.off()
    place.later(answer["job_id"], 11 * MINUTE)
    place.sweep()
    place.later(answer["job_id"], 11 * MINUTE)
    swept = place.sweep()
    assert (swept["lost"], swept["resubmitted"], swept["sent"]) == (1, 1, 0)
    shown = place.airtable.base.get("Jobs", row)
    assert shown["Status"] == "processing"
    assert "handed in anew (1 of 2)" in shown["Error Details"]
    assert place.nca.toolkit.wait_idle()
    place.later(shown["External Job ID"], 6 * MINUTE)
    place.sweep()
    (callback,) = place.sent()
    assert (callback.job_id, callback.record_id, callback.outcome) == (shown["External Job ID"], row, "success")


@pytest.mark.parametrize(
    "fault", [Fault.STATUS_HTML, Fault.STATUS_CUT, Fault.STATUS_HUGE, Fault.STATUS_ODD, Fault.STATUS_OTHER, Fault.STATUS_500]
)
def test_an_answer_of_nca_that_is_none_changes_nothing(place: Place, fault: Fault) -> None:
    row, job_id = place.order()
    assert place.nca.toolkit.wait_idle()
    place.nca.switches.on(fault)
    assert place.sweep()["sent"] == 0
    job = place.ledger.get(job_id)
    assert job is not None
    assert (job.state, job.error, job.gone_since) == ("submitted", None, None)
    place.nca.switches.off()
    place.later(job_id, 20 * MINUTE)
    place.sweep()
    assert [(one.job_id, one.record_id, one.outcome) for one in place.sent()] == [(job_id, row, "success")]


def test_a_job_with_a_nan_in_its_result_is_not_lost_on_us(place: Place) -> None:
    """NCA's own status answer is no JSON then, and no callback ever comes."""
    place.nca.switches.on(Fault.NOT_JSON, times=1)
    row, _ = place.order()
    assert place.nca.toolkit.wait_idle()
    assert place.sweep()["sent"] == 1
    assert [(one.record_id, one.outcome) for one in place.sent()] == [(row, "success")]


def test_a_hanging_status_call_does_not_hold_the_sweep(place: Place) -> None:
    place.order()
    place.nca.switches.on(Fault.STATUS_HANGS, seconds=20, times=1)
    began = time.monotonic()
    place.sweep()
    assert time.monotonic() - began < 18
