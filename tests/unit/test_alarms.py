"""Alarms and dashboard watch what the code counts, under the very names and dimensions it counts it with."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from reelkeeper.metric import NAMESPACE, Metric
from tests.unit.cloudformation import resource, template

ALARMS = [name for name, one in template()["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"]
METRICS = {metric.label: metric for metric in Metric}
STACK = {"Ref": "AWS::StackName"}
# What AWS measures of a resource: the dimension, and how the template names the resource in it.
AWS_METRICS = {
    "AWS/SQS": ("QueueName", "AWS::SQS::Queue", {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}),
    "AWS/Lambda": ("FunctionName", "AWS::Serverless::Function", {"Errors", "Throttles", "Invocations"}),
}


def watched(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Namespace, name and dimensions of each metric of an alarm."""
    for one in (alarm, *(stat["MetricStat"]["Metric"] for stat in alarm.get("Metrics", ()) if "MetricStat" in stat)):
        if "MetricName" in one:
            yield one["Namespace"], one["MetricName"], {pair["Name"]: pair["Value"] for pair in one["Dimensions"]}


def widgets() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(resource("Dashboard")["DashboardBody"]["Fn::Sub"])["widgets"]
    return found


def shown() -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of each metric of the dashboard."""
    rows = [row for widget in widgets() for row in widget["properties"].get("metrics", ())]
    texts = [[word for word in row if isinstance(word, str)] for row in rows]
    return [(text[0], text[1], dict(zip(text[2::2], text[3::2], strict=True))) for text in texts]


def test_there_is_an_alarm_for_everything_a_person_must_act_on() -> None:
    assert {resource(name)["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for name in ALARMS} == {
        *("dead-letters", "old-job", "queue-age", "copy-errors", "silent-webhooks", "audit", "airtable-quota", "airtable-pace"),
        *("unstored", "function-errors", "function-throttles", "no-sweep"),
    }


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_what_is_measured(name: str) -> None:
    metrics = list(watched(resource(name)))
    assert metrics
    for namespace, metric, dimensions in metrics:
        if namespace == NAMESPACE:
            further = {key: value for key, value in dimensions.items() if key != "service"}
            assert dimensions["service"] == STACK
            assert all(value in METRICS[metric].dimensions[key] for key, value in further.items())
        else:
            dimension, kind, names = AWS_METRICS[namespace]
            ((key, value),) = dimensions.items()
            ((_, target),) = value.items()
            assert (key, metric in names) == (dimension, True)
            assert template()["Resources"][target.removesuffix(".QueueName")]["Type"] == kind


@pytest.mark.parametrize("name", ALARMS)
def test_a_sum_is_taken_of_counts_and_a_maximum_of_measures(name: str) -> None:
    alarm = resource(name)
    parts = [one["MetricStat"] for one in alarm.get("Metrics", ()) if "MetricStat" in one]
    stats = {one["Metric"]["MetricName"]: one["Stat"] for one in parts}
    stats |= {alarm["MetricName"]: alarm["Statistic"]} if "MetricName" in alarm else {}
    for metric, stat in stats.items():
        counted = metric.endswith("_total") or metric in AWS_METRICS["AWS/Lambda"][2]
        assert stat == ("Sum" if counted else "Maximum")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_and_what_to_run_and_tells_the_topic(name: str) -> None:
    alarm = resource(name)
    assert re.fullmatch(r".{60,900}\. Run: reelkeeper [a-z][a-z0-9 -]+", alarm["AlarmDescription"])
    assert alarm["AlarmActions"] == [{"Ref": "Topic"}]


def test_only_the_sweeps_silence_is_an_alarm() -> None:
    breaching = [name for name in ALARMS if resource(name)["TreatMissingData"] == "breaching"]
    assert breaching == ["NoSweepAlarm"]
    assert all(resource(name)["TreatMissingData"] == "notBreaching" for name in ALARMS if name not in breaching)


def test_the_dashboard_shows_what_is_measured_of_this_stack() -> None:
    for namespace, metric, dimensions in shown():
        if namespace == NAMESPACE:
            assert dimensions.pop("service") == "${AWS::StackName}"
            assert all(value in METRICS[metric].dimensions[key] for key, value in dimensions.items())
        else:
            dimension, kind, names = AWS_METRICS[namespace]
            ((key, value),) = dimensions.items()
            assert (key, metric in names) == (dimension, True)
            assert template()["Resources"][value.strip("${}").removesuffix(".QueueName")]["Type"] == kind


def test_the_dashboard_begins_with_the_funnel() -> None:
    funnel = [(metric, dimensions.get("state")) for _, metric, dimensions in shown()[:4]]
    assert funnel == [("webhook_received_total", None), *(("jobs_total", state) for state in ("stored", "published", "kept"))]


def test_the_dashboard_shows_every_alarm() -> None:
    (widget,) = [widget for widget in widgets() if widget["type"] == "alarm"]
    assert widget["properties"]["alarms"] == [f"${{{name}.Arn}}" for name in ALARMS]


def test_the_dashboards_widgets_lie_side_by_side() -> None:
    taken = {
        (column, row)
        for widget in widgets()
        for column in range(widget["x"], widget["x"] + widget["width"])
        for row in range(widget["y"], widget["y"] + widget["height"])
    }
    assert len(taken) == sum(widget["width"] * widget["height"] for widget in widgets())
    assert max(column for column, _ in taken) < 24
