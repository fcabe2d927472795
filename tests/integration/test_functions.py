"""The three functions as Lambda calls them, AWS in process: what they answer, and how they bear a wrong configuration."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from functions.persist import app as persist
from functions.poller import app as poller
from functions.webhook import app as webhook
from local import airtable
from reelkeeper.domain.message import Message, Pointer, decode, encode
from tests.unit.builders import a_callback_body, a_failure_body, a_message
from tests.unit.cloudformation import ROOT, resource

TOKEN, PREVIOUS = "new" * 10, "old" * 10
CONTEXT = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: 300_000)
# What makes a cold start slow, and is not the webhook's business.
HEAVY = ("pyairtable", "pydantic", "requests", "reelkeeper.adapters.airtable", "reelkeeper.adapters.bucket", "av")


@pytest.fixture
def environ(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a deployed function; a test may take a setting away before it calls."""
    sqs, s3, secrets = boto3.client("sqs"), boto3.client("s3"), boto3.client("secretsmanager")
    s3.create_bucket(Bucket="bucket")
    secrets.create_secret(Name="token", SecretString=json.dumps({"token": TOKEN, "previous": PREVIOUS}))
    secrets.create_secret(Name="keys", SecretString=json.dumps({"airtable_token": "patSecret.secret"}))
    settings = {
        "QUEUE_URL": sqs.create_queue(QueueName="queue")["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="dead")["QueueUrl"],
        "TABLE": "ledger",
        "BUCKET": "bucket",
        "TOKEN_SECRET_ARN": "token",
        "SECRET_ARN": "keys",
        "PUBLIC_URL_TEMPLATE": "https://kept.example.net/{key}",
        "AIRTABLE_BASE_ID": "appAAAAAAAAAAAAAA",
        "AIRTABLE_ENDPOINT": "http://127.0.0.1:9",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    _forget()
    yield settings
    _forget()


def _forget() -> None:
    """A cold start."""
    webhook._collaborators.cache_clear()
    persist._outside.cache_clear()
    poller._outside.cache_clear()


def a_request(body: bytes = a_callback_body().encode(), *, token: str = TOKEN, method: str = "POST") -> dict[str, Any]:
    """What an HTTP API sends; bytes that are no text arrive in base64."""
    try:
        text, packed = body.decode(), False
    except UnicodeDecodeError:
        text, packed = base64.b64encode(body).decode(), True
    return {
        "requestContext": {"http": {"method": method}},
        "pathParameters": {"token": token},
        "rawQueryString": "job_id=recJob&operation=add_music&job_id=recSecond",
        "headers": {"content-type": "application/json"},
        "body": text,
        "isBase64Encoded": packed,
    }


def received(url: str) -> list[dict[str, Any]]:
    sqs: Any = boto3.client("sqs")
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return found


def an_event(environ: Mapping[str, str], *, receives: int = 1) -> dict[str, Any]:
    """A message that was sent and is being delivered."""
    boto3.client("sqs").send_message(QueueUrl=environ["QUEUE_URL"], MessageBody=encode(a_message()))
    [one] = received(environ["QUEUE_URL"])
    attributes = {"ApproximateReceiveCount": str(receives)}
    record = {
        "messageId": one["MessageId"],
        "receiptHandle": one["ReceiptHandle"],
        "body": one["Body"],
        "attributes": attributes,
    }
    return {"Records": [record]}


def lines(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged; a traceback would be in it."""
    assert not any(record.exc_info for record in caplog.records)
    return "\n".join(str(vars(record)) for record in caplog.records)


# The webhook.


@pytest.mark.parametrize(
    "body", [a_callback_body().encode(), b"", b"no JSON", b"\xff\x00\xfe", "é\ufeff\u2028".encode()], ids=repr
)
def test_whatever_is_posted_is_on_the_queue_verbatim_when_it_is_answered(environ: Mapping[str, str], body: bytes) -> None:
    answer = webhook.handler(a_request(body), CONTEXT)
    [one] = received(environ["QUEUE_URL"])
    message = decode(one["Body"])
    assert (answer["statusCode"], json.loads(answer["body"])["id"]) == (202, one["MessageId"])
    assert isinstance(message, Message)
    assert (message.body, message.query) == (body, {"job_id": "recJob", "operation": "add_music"})


def test_half_of_a_surrogate_pair_is_no_reason_to_turn_a_callback_away(environ: Mapping[str, str]) -> None:
    assert webhook.handler({**a_request(), "body": "\ud83c", "isBase64Encoded": False}, CONTEXT)["statusCode"] == 202
    assert len(received(environ["QUEUE_URL"])) == 1


def test_six_megabytes_lie_in_the_inbox_with_a_claim_check_on_the_queue(environ: Mapping[str, str]) -> None:
    body = b"x" * 6_000_000
    assert webhook.handler(a_request(body), CONTEXT)["statusCode"] == 202
    [one] = received(environ["QUEUE_URL"])
    pointer = decode(one["Body"])
    assert isinstance(pointer, Pointer)
    lies = boto3.client("s3").get_object(Bucket="bucket", Key=pointer.key)["Body"].read().decode()
    message = decode(lies)
    assert isinstance(message, Message)
    assert message.body == body


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 202), (PREVIOUS, 202), ("guess", 401), ("", 401), (TOKEN[:-1], 401)])
def test_two_tokens_are_good_while_one_is_changed_and_no_other(environ: Mapping[str, str], token: str, status: int) -> None:
    assert webhook.handler(a_request(token=token), CONTEXT)["statusCode"] == status
    assert len(received(environ["QUEUE_URL"])) == (1 if status == 202 else 0)


def test_a_person_with_a_browser_is_greeted(environ: Mapping[str, str]) -> None:
    answer = webhook.handler(a_request(b"", method="GET"), CONTEXT)
    assert (answer["statusCode"], received(environ["QUEUE_URL"])) == (200, [])


def test_a_stranger_writes_nothing_into_the_log_and_no_line_holds_a_token(
    environ: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    webhook.handler(a_request(), CONTEXT)
    webhook.handler({**a_request(token="guess"), "rawQueryString": "job_id=" + "x" * 9_000}, CONTEXT)
    said = lines(caplog)
    assert "recJob" in said
    assert "x" * 100 not in said
    assert not [word for word in (TOKEN, PREVIOUS, "guess", a_callback_body()) if word in said]


@pytest.mark.parametrize("name", ["QUEUE_URL", "BUCKET", "TOKEN_SECRET_ARN"])
def test_a_webhook_without_a_setting_says_which_in_one_line(
    environ: Mapping[str, str], name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(name)
    assert webhook.handler(a_request(), CONTEXT)["statusCode"] == 503
    assert f"{name} is not set; template.yaml sets it" in lines(caplog)


def test_a_secret_that_cannot_be_read_is_no_wrong_token(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOKEN_SECRET_ARN", "nothing")
    assert webhook.handler(a_request(), CONTEXT)["statusCode"] == 503
    assert "the secret nothing is empty or missing" in lines(caplog)


# Persist and the poller.


def _mapping(text: str) -> None:
    boto3.client("ssm").put_parameter(Name="/mapping", Value=text, Type="String", Overwrite=True)


WRONG = {
    "a setting": ({"AIRTABLE_BASE_ID": ""}, "AIRTABLE_BASE_ID is not set"),
    "a number": ({"MAX_OBJECT_MIB": "many"}, "MAX_OBJECT_MIB is 'many'; it must be a whole number above 0"),
    "a secret": ({"SECRET_ARN": "nothing"}, "the secret nothing is empty or missing; put your keys into it"),
    "a key": ({"SECRET_ARN": "token"}, "the secret has no airtable_token; put a personal access token"),
    "a store": ({"STORAGE_ENDPOINT": "https://nyc3.digitaloceanspaces.com"}, "put storage_access_key and storage_secret_key"),
    "a parameter": ({"MAPPING_PARAMETER": "/nothing"}, "the parameter /nothing cannot be read"),
    "a mapping": ({"MAPPING_PARAMETER": "/mapping"}, "mapping: jobs has no key 'tabel'; it may have"),
}


@pytest.fixture
def wrong(environ: dict[str, str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment with one mistake; the line that is to say so."""
    changes, said = WRONG[request.param]
    _mapping('[jobs]\ntabel = "Jobs"')
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    return said


@pytest.mark.parametrize("wrong", WRONG, indirect=True)
def test_a_mistake_is_one_line_with_the_remedy_and_every_message_waits(
    environ: dict[str, str], wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    event = an_event(environ)
    answer = persist.handler(event, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert wrong in lines(caplog)
    assert "patSecret" not in lines(caplog)
    # Hidden for minutes, not for the queue's own ninety.
    client = boto3.client("sqs")
    client.change_message_visibility(
        QueueUrl=environ["QUEUE_URL"], ReceiptHandle=event["Records"][0]["receiptHandle"], VisibilityTimeout=0
    )
    assert len(received(environ["QUEUE_URL"])) == 1


@pytest.mark.parametrize("wrong", ["a setting"], indirect=True)
def test_a_message_that_waited_long_is_sent_anew_and_never_becomes_a_dead_letter(environ: dict[str, str], wrong: str) -> None:
    answer = persist.handler(an_event(environ, receives=8), CONTEXT)
    assert (answer, bool(wrong)) == ({"batchItemFailures": []}, True)
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=environ["QUEUE_URL"], AttributeNames=["All"])
    assert found["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_persist_without_its_queue_leaves_the_messages_to_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    event = an_event(environ)
    monkeypatch.delenv("QUEUE_URL")
    assert len(persist.handler(event, CONTEXT)["batchItemFailures"]) == 1
    assert "QUEUE_URL is not set" in lines(caplog)


def test_once_the_mistake_is_mended_the_next_batch_is_worked_on(environ: dict[str, str]) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString="{}")
    assert len(persist.handler(an_event(environ), CONTEXT)["batchItemFailures"]) == 1
    boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString='{"airtable_token": "pat.pat"}')
    body = a_callback_body(code=202, message="?", response=None)
    event = {"Records": [{"messageId": "one", "receiptHandle": "one", "body": encode(a_message(body.encode()))}]}
    assert persist.handler(event, CONTEXT) == {"batchItemFailures": []}


def test_a_token_that_was_refused_is_read_again_by_a_warm_function(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person puts the right one into the secret; nobody waits for a cold start, which may be hours away."""
    with airtable.serve(rate_limited=False) as served:
        monkeypatch.setenv("AIRTABLE_ENDPOINT", served.address)
        monkeypatch.setenv("AIRTABLE_BASE_ID", served.base_id)
        row = served.base.create("Jobs", {"Status": "processing"})
        event = {"Records": [{"messageId": "one", "receiptHandle": "one", "body": encode(a_failure(row))}]}
        assert len(persist.handler(event, CONTEXT)["batchItemFailures"]) == 1
        secret = json.dumps({"airtable_token": served.token})
        boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=secret)
        assert persist.handler(event, CONTEXT) == {"batchItemFailures": []}
        assert served.base.get("Jobs", row)["Status"] == "failed"


def a_failure(row: str) -> Message:
    return a_message(a_failure_body(id=row).encode(), query={"job_id": row, "operation": "concatenate"})


@pytest.mark.parametrize("wrong", WRONG, indirect=True)
def test_a_sweep_with_a_mistake_is_one_line_and_no_failure_of_the_function(
    environ: dict[str, str], wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert wrong in poller.handler({}, CONTEXT)["error"]
    assert wrong in lines(caplog)


def test_the_poller_mails_the_report_when_the_schedule_asks_for_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very event of the template."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="people")["TopicArn"]
    mailbox = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:mailbox")
    monkeypatch.setenv("TOPIC_ARN", topic)
    event = json.loads(resource("PollerFunction")["Events"]["Report"]["Properties"]["Input"])
    assert poller.handler(event, CONTEXT) == {"finished": 0, "kept": 0, "exceptions": 0}
    (letter,) = received(mailbox)
    assert "0 finished" in letter["Body"]


# Importing.


@pytest.mark.parametrize("name", ["webhook", "persist", "poller"])
def test_importing_a_function_has_no_effect_and_needs_no_environment(name: str) -> None:
    code = f"from functions.{name} import app; assert callable(app.handler)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=True)


def test_the_webhook_imports_nothing_heavy() -> None:
    code = "import sys; from functions.webhook import app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=True, capture_output=True, text=True)
    assert not set(HEAVY) & set(done.stdout.split())
