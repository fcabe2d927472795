"""The events for `sam local invoke` are what the functions would really get."""

import json

import pytest

from reelkeeper.domain.callback import parse
from reelkeeper.domain.message import Message, decode
from tests.unit.cloudformation import ROOT, resource


def event(name: str) -> dict[str, object]:
    loaded = json.loads((ROOT / "events" / f"{name}.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(("name", "route"), [("webhook", "CallbackRoute"), ("webhook-get", "LookRoute")])
def test_an_http_event_is_of_a_route_the_template_has(name: str, route: str) -> None:
    assert event(name)["routeKey"] == resource(route)["RouteKey"]


def test_the_callback_is_one_of_ncas() -> None:
    posted = event("webhook")
    query = posted["queryStringParameters"]
    assert isinstance(query, dict)
    callback = parse(str(posted["body"]), query)
    assert (callback.outcome, callback.operation) == ("success", "concatenate")
    assert callback.outputs


def test_the_queues_event_carries_the_one_message_format() -> None:
    records = event("persist")["Records"]
    assert isinstance(records, list)
    message = decode(records[0]["body"])
    assert isinstance(message, Message)
    assert parse(message.body, message.query).outcome == "failure"


def test_the_schedulers_event_says_where_it_comes_from() -> None:
    assert event("poller")["source"] == "aws.scheduler"
