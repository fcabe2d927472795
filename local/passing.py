"""Time that passes for the ledger alone: every moment in it moves into the past, so that nobody waits for half an hour."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from local.world import World
from reelkeeper.domain.moment import parse_moment, show_moment

# What stays: when something happened is told to people; when something is to happen, or how long it has lasted, decides.
_MOMENTS = frozenset(
    {"due_at", "gone_since", "received_at", "submitted_at", "idle_since", "opened_at", "seen_at", "webhook_at", "found_since"}
)
_LISTED = frozenset({"first", "last"})


def pass_time(world: World, by: timedelta) -> None:
    """Let this much time pass for everything the ledger knows."""
    dynamodb = world.aws.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=world.aws.table):
        for item in page["Items"]:
            earlier = {name: _earlier(name, value, by) for name, value in item.items()}
            if earlier != item:
                _put(dynamodb, world.aws.table, earlier)


def _put(dynamodb: Any, table: str, item: dict[str, Any]) -> None:
    """Write the item, unless it has been written meanwhile: then it is younger than the time that passes."""
    condition: dict[str, Any] = {}
    if "version" in item:
        condition = {"ConditionExpression": "version = :read", "ExpressionAttributeValues": {":read": item["version"]}}
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName=table, Item=item, **condition)


def _earlier(name: str, value: dict[str, Any], by: timedelta) -> dict[str, Any]:
    if name in _MOMENTS | _LISTED and "S" in value:
        return {"S": show_moment(parse_moment(value["S"]) - by)}
    if name == "sightings":
        return {"L": [{"M": {one: _earlier(one, cell, by) for one, cell in sighting["M"].items()}} for sighting in value["L"]]}
    return value
