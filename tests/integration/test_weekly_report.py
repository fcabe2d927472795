"""The weekly report, from the schedule's event to the message people get."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.topic import Topic
from reelkeeper.domain.job import JobState
from reelkeeper.services.report import mail
from reelkeeper.settings import Settings
from tests.unit.builders import a_job, a_stored_output
from tests.unit.cloudformation import resource, template


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A ledger, and a topic that somebody listens to by a queue."""
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        # Two packages of stubs may be installed, see adapters/clients.py.
        make: Any = boto3.client
        sns, sqs, dynamodb = (make(name) for name in ("sns", "sqs", "dynamodb"))
        arn = sns.create_topic(Name="people")["TopicArn"]
        url = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        declared = resource("Ledger")
        keys = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
        dynamodb.create_table(TableName="ledger", **{name: declared[name] for name in keys})
        yield {"topic": Topic(lambda: sns, arn), "ledger": Ledger(dynamodb, "ledger"), "mailbox": (sqs, url)}


def settings() -> Settings:
    required = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "BUCKET", "SECRET_ARN", "PUBLIC_URL_TEMPLATE", "AIRTABLE_BASE_ID")
    return Settings.read({**dict.fromkeys(required, "x"), "TABLE": "ledger"})


def test_the_mail_says_how_many_are_kept_and_names_each_exception(aws: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    times = {"received_at": now - timedelta(days=1), "updated_at": now}
    aws["ledger"].save(a_job(JobState.KEPT, job_id="good", outputs=(a_stored_output(0),), version=0, **times))
    aws["ledger"].save(a_job(JobState.REJECTED, job_id="bad", error="an HTML page", version=0, **times))
    mail(settings(), aws["topic"], days=7, at=now)
    sqs, url = aws["mailbox"]
    (letter,) = sqs.receive_message(QueueUrl=url)["Messages"]
    said = json.loads(letter["Body"])
    assert said["Subject"] == "Reelkeeper: 2 finished, 1 kept, 1 exception"
    assert "2 finished = 1 kept + 1 exception" in said["Message"]
    assert "bad  " in said["Message"]
    assert "an HTML page" in said["Message"]


def test_the_schedule_asks_the_poller_for_it_only_if_it_is_switched_on() -> None:
    report = resource("PollerFunction")["Events"]["Report"]["Properties"]
    assert json.loads(report["Input"]) == {"report_days": 7}
    assert report["State"] == {"Fn::If": ["HasWeeklyReport", "ENABLED", "DISABLED"]}
    assert template()["Parameters"]["WeeklyReport"]["Default"] == "off"
