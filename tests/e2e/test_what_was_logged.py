"""Every line that the functions wrote while the tests before this one ran: whose it is, what it counts, and nothing secret.

Runs last on each of the stacks (see conftest.py); alone it brings a little traffic of its own.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.engine import Engine
from local.stack import Stack
from local.world import World
from reelkeeper.metric import NAMESPACE, Metric
from tests.e2e.ledger import settled
from tests.e2e.stacks import STACKS
from tests.e2e.waiting import until

FUNCTIONS = ("webhook", "persist", "poller")
METRICS = {metric.label: metric for metric in Metric}
# What a signed URL, a key or a token looks like, whoever's it is.
SECRET = re.compile(
    r"""[?&;](X-Amz-\w+|AWSAccessKeyId|Signature|Expires|Policy|Key-Pair-Id|token|key|sig|se)=[^…\s"']"""
    r"|\bpat[A-Za-z0-9]{14}\.|\bAKIA[A-Z0-9]{12}|Bearer\s+\S|x-api-key\W+\w|aws_secret_access_key|//[^/\s\"'@]+:[^/\s\"'@]+@",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def traffic(world: World) -> None:
    """One job that works, one request with a wrong token, and one callback that names a signed address."""
    engine = Engine(world)
    scene = world.nca.put_input("logged.mp4", b"not a film")
    order = engine.concatenate("Logged", [f"{scene}?X-Amz-Signature=0badcafe&Expires=1"])
    assert world.nca.toolkit.wait_idle()
    settled(world, engine, order, "failed")
    world.aws.post_callback({"job_id": "no"}, base_url=f"{world.aws.api_address}/notthetoken")
    forged = {"job_id": "forged-log", "code": 200, "response": "https://10.0.0.1/f.mp4?X-Amz-Signature=0badcafe"}
    assert world.aws.post_callback(forged, {"job_id": "recForgedLog00000"}).status_code == 202
    world.aws.invoke("poller")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in STACKS])
def lines(stack: Stack, traffic: None) -> dict[str, list[str]]:
    return {name: stack.logs(name) for name in FUNCTIONS}  # type: ignore[arg-type]


def structured(texts: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of our own logger and metrics; Lambda's own (START, END, REPORT) are plain text."""
    for text in texts:
        for one in text.splitlines():
            if one.startswith("{"):
                yield json.loads(one)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_line_shows_a_secret(world: World, lines: dict[str, list[str]], name: str) -> None:
    ours = [world.aws.webhook_base_url().rpartition("/")[2], world.nca.api_key, world.airtable.token, "0badcafe", "notthetoken"]
    assert lines[name]
    for line in lines[name]:
        assert not [secret for secret in ours if secret in line], line
        assert not SECRET.search(line), line


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_line_about_a_job_says_whose_it_is(lines: dict[str, list[str]], name: str) -> None:
    told = [line for line in structured(lines[name]) if "level" in line and "message" in line]
    assert told
    for line in told:
        assert {"timestamp", "service", "location"} <= set(line)
        # What is not known is left out: some callbacks name no row, and the webhook has not read which job it is yet.
        if "job_id" in line or "record_id" in line:
            assert "origin" in line, line
    if name == "persist":
        assert [line for line in told if {"job_id", "record_id", "origin", "trace_id"} <= set(line)]
    assert {line["origin"] for line in told if "origin" in line} <= {"webhook", "poll", "operator"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_counted_is_documented(stack: Stack, lines: dict[str, list[str]], name: str) -> None:
    counted = [line for line in structured(lines[name]) if "_aws" in line]
    assert counted
    for line in counted:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], line["service"]) == (NAMESPACE, "reelkeeper-local")
        for one in directive["Metrics"]:
            metric = METRICS[one["Name"]]
            assert metric.unit == one["Unit"]
            further = [["service", *metric.dimensions]] if metric.dimensions else []
            assert directive["Dimensions"] == [["service"], *further]


def test_the_alarms_and_the_dashboard_are_deployed(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert len(alarms) == 12
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(stack.outputs["TopicArn"],)}
    body = json.loads(cloudwatch.get_dashboard(DashboardName="reelkeeper-local")["DashboardBody"])
    shown = next(widget for widget in body["widgets"] if widget["type"] == "alarm")["properties"]["alarms"]
    assert set(shown) == {alarm["AlarmArn"] for alarm in alarms}


def test_an_alarm_goes_off_by_the_metric_as_it_is_counted(stack: Stack) -> None:
    """ministack makes no metrics of log lines; from the metric on, the way is the real one."""
    cloudwatch = stack.client("cloudwatch")
    data = {"MetricName": Metric.AUDITS_FAILED_TOTAL.label, "Value": 1, "Unit": Metric.AUDITS_FAILED_TOTAL.unit}
    dimensions = [{"Name": "service", "Value": "reelkeeper-local"}]
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[{**data, "Dimensions": dimensions}])

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=["reelkeeper-local-audit"])["MetricAlarms"]
        return str(alarm["StateValue"])

    until(lambda: state() == "ALARM", "the audit's alarm to go off")
