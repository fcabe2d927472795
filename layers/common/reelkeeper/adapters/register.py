"""The ledger as people ask it: jobs by any of their names, open ones, and lists by age; it reads only, and counts what."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reelkeeper.adapters import ledger_items as items
from reelkeeper.adapters.dynamodb import translated
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.moment import show_moment

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class Register:
    """The table by its name. `items_read` counts the items DynamoDB has looked at for the answers so far."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self.items_read = 0

    def get(self, job_id: str) -> Job | None:
        """The job under its key."""
        with translated():
            item = self._client.get_item(TableName=self._table, Key={items.KEY: {"S": job_id}}, ConsistentRead=True).get("Item")
        self.items_read += 1
        return items.from_item(item) if item and "state" in item else None

    def of_record(self, record_id: str, *, limit: int) -> tuple[Job, ...]:
        """The latest jobs of one Airtable row, the latest first."""
        found = self._newest(items.RECORD_INDEX, items.RECORD_ID, record_id, limit)
        return tuple(items.from_item(item) for item in found if "state" in item)

    def referred(self, ref: str, *, limit: int) -> tuple[str, ...]:
        """The ids of the latest jobs a name leads to, the latest first."""
        return tuple(item[items.OF]["S"] for item in self._newest(items.REFERENCE_INDEX, items.REF, ref, limit))

    def open(self) -> Iterator[Job]:
        """Every job somebody is still to look at, the one due first first; read from the index, which may lag a moment."""
        shards = [self._shard(f"{number:02d}") for number in range(items.DUE_SHARDS)]
        return heapq.merge(*shards, key=lambda job: (job.due_at, job.job_id))

    def all(self, *, since: datetime | None = None, states: frozenset[JobState] = frozenset()) -> Iterator[Job | None]:
        """Every job, in no order; None after each page, so that the caller can show that it goes on.

        There is no index for it: DynamoDB reads the whole table, a megabyte at a time. `since` leaves out jobs on which nothing
        has happened since then.
        """
        # Without the callbacks that are kept beside the jobs: they would be most of what is sent.
        names = {f"#{field.name}": field.name for field in fields(Job)}
        values, conditions = dict[str, Any](), ["attribute_exists(#state)"]
        if since is not None:
            values[":since"] = {"S": show_moment(since)}
            conditions.append("#updated_at >= :since")
        if states:
            values |= {f":s{number}": {"S": str(state)} for number, state in enumerate(sorted(states))}
            conditions.append(f"#state IN ({', '.join(name for name in values if name.startswith(':s') and name != ':since')})")
        arguments: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression=" AND ".join(conditions),
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            **arguments,
        )
        with translated():
            for page in pages:
                self.items_read += page["ScannedCount"]
                yield from (items.from_item(item) for item in page["Items"])
                yield None

    def _newest(self, index: str, key: str, value: str, limit: int) -> list[Mapping[str, Any]]:
        with translated():
            answer = self._client.query(
                TableName=self._table,
                IndexName=index,
                KeyConditionExpression="#key = :value",
                ExpressionAttributeNames={"#key": key},
                ExpressionAttributeValues={":value": {"S": value}},
                ScanIndexForward=False,
                Limit=limit,
            )
        self.items_read += answer["ScannedCount"]
        return list(answer["Items"])

    def _shard(self, shard: str) -> Iterator[Job]:
        with translated():
            for page in self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=items.DUE_INDEX,
                KeyConditionExpression="due_shard = :shard",
                ExpressionAttributeValues={":shard": {"S": shard}},
            ):
                self.items_read += page["ScannedCount"]
                yield from (items.from_item(item) for item in page["Items"] if "state" in item)
