"""The ledger: every job ever heard of, in one DynamoDB table; the only module that talks to it.

A write says which version it has read and is refused when another came first: the caller reads again and decides again.
The lease, the message and the checkpoints are attributes of their own, so that a heartbeat never disturbs a decision.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from reelkeeper.adapters import ledger_items as items
from reelkeeper.adapters.dynamodb import translated
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job
from reelkeeper.domain.message import Message, Pointer, decode, encode, point
from reelkeeper.domain.moment import parse_moment, show_moment

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# DynamoDB holds 400 KB an item; a larger message lies in the bucket, with a pointer here.
MESSAGE_LIMIT_BYTES = 150_000
_CHANGES_TRIED = 8
_KEYS_PER_READ = 100


class Outrun(Exception):
    """Another worker wrote this job first."""


class Ledger:
    """The table by its name; `changed` hears of each decision that was written: the job before and after."""

    def __init__(
        self, client: "DynamoDBClient", table: str, *, changed: Callable[[Job | None, Job], None] | None = None
    ) -> None:
        self._client = client
        self._table = table
        self._changed = changed

    def get(self, job_id: str) -> Job | None:
        """The job, read consistently, or None where it was never heard of."""
        item = self._item(job_id)
        return items.from_item(item) if "state" in item else None

    def change(self, job_id: str, decide: Callable[[Job | None], Job]) -> Job:
        """Read, decide, write; again from the start when another worker was faster. `decide` may run several times."""
        for _ in range(_CHANGES_TRIED):
            known = self.get(job_id)
            decided = decide(known)
            if decided == known:
                return decided
            try:
                return self.save(decided)
            except Outrun:
                continue
        raise RetryLater(f"job {job_id} is being written by many at once")

    def save(self, job: Job) -> Job:
        """Write what was decided on `job.version`; raises Outrun where the ledger has a newer one."""
        saved = replace(job, version=job.version + 1)
        values = items.to_item(saved)
        del values[items.KEY]
        gone = [name for name in _OPTIONAL if name not in values]
        names = {f"#{index}": name for index, name in enumerate((*values, *gone))}
        by_name = {name: alias for alias, name in names.items()}
        update = "SET " + ", ".join(f"{by_name[name]} = :v{index}" for index, name in enumerate(values))
        if gone:
            update += " REMOVE " + ", ".join(by_name[name] for name in gone)
        expected = {":before": {"N": str(job.version)}} if job.version else {}
        condition = f"{by_name['version']} = :before" if job.version else f"attribute_not_exists({by_name['version']})"
        with translated(conflict=Outrun(job.job_id)):
            answer = self._client.update_item(
                TableName=self._table,
                Key={items.KEY: {"S": job.job_id}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ReturnValues="ALL_OLD" if self._changed is not None else "NONE",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    **{f":v{index}": value for index, value in enumerate(values.values())},
                    **expected,
                },
            )
        if self._changed is not None:
            before = answer.get("Attributes", {})
            self._changed(items.from_item(before) if "state" in before else None, saved)
        return saved

    def lease(self, job_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        """Take or extend the right to work on a job; False while somebody else's lasts."""
        try:
            self._update(
                job_id,
                "SET lease_owner = :owner, lease_until = :until",
                "attribute_not_exists(lease_owner) OR lease_owner = :owner OR lease_until < :now",
                {":owner": {"S": owner}, ":until": {"S": show_moment(until)}, ":now": {"S": show_moment(now)}},
            )
        except Outrun:
            return False
        return True

    def release(self, job_id: str, *, owner: str) -> None:
        """Give a lease back; nothing happens where it is somebody else's by now."""
        try:
            self._update(job_id, "REMOVE lease_owner, lease_until", "lease_owner = :owner", {":owner": {"S": owner}})
        except Outrun:
            return

    def keep_message(self, job_id: str, message: Message, *, elsewhere: Callable[[Message], str]) -> None:
        """Keep the last callback verbatim, so that the poller or an operator can send it in again.

        `elsewhere` stores what is too large for the ledger and returns the key it lies under.
        """
        packed = zlib.compress(encode(message).encode())
        if len(packed) > MESSAGE_LIMIT_BYTES:
            packed = zlib.compress(point(elsewhere(message)).encode())
        self._update(job_id, "SET message = :packed", "attribute_exists(job_id)", {":packed": {"B": packed}})

    def message(self, job_id: str) -> Message | Pointer | None:
        """The last callback that was kept, or None."""
        packed = self._item(job_id).get(items.MESSAGE)
        return decode(zlib.decompress(packed["B"]).decode()) if packed else None

    def checkpoint(self, job_id: str, index: int) -> str | None:
        """How far the copy of one output came, as it was saved."""
        saved = self._item(job_id).get(f"checkpoint_{index}")
        return saved["S"] if saved else None

    def save_checkpoint(self, job_id: str, index: int, text: str | None) -> None:
        """Save or (None) forget how far a copy came."""
        name = f"checkpoint_{index}"
        if text is None:
            self._update(job_id, f"REMOVE {name}", "attribute_exists(job_id)", {})
        else:
            self._update(job_id, f"SET {name} = :text", "attribute_exists(job_id)", {":text": {"S": text}})

    def due(self, *, now: datetime, limit: int, kept: bool = False) -> Iterator[Job]:
        """Jobs whose time has come and nobody is at work on, the most overdue first, read from the index alone.

        The index is eventually consistent: a job read from it may have moved on, which its version shows on the next write.
        `kept` asks for those that are kept, whose turn it is to be audited, and for no others.
        """
        prefix = items.KEPT_PREFIX if kept else ""
        shards = (self._due_in(f"{prefix}{number:02d}", now=now) for number in range(items.DUE_SHARDS))
        return islice(merge(*shards, key=lambda job: job.due_at or now), limit)

    def known(self, job_ids: Iterable[str]) -> frozenset[str]:
        """Which of these jobs the ledger has, a hundred in each request."""
        wanted = tuple(dict.fromkeys(job_ids))
        found: set[str] = set()
        for start in range(0, len(wanted), _KEYS_PER_READ):
            keys: list[Any] = [{items.KEY: {"S": one}} for one in wanted[start : start + _KEYS_PER_READ]]
            while keys:
                names = {"#state": "state"}
                question: Any = {"Keys": keys, "ProjectionExpression": "job_id, #state", "ExpressionAttributeNames": names}
                with translated():
                    answer = self._client.batch_get_item(RequestItems={self._table: question})
                found.update(item[items.KEY]["S"] for item in answer["Responses"].get(self._table, ()) if "state" in item)
                left: Any = answer.get("UnprocessedKeys", {}).get(self._table, {})
                keys = left.get("Keys", [])
        return frozenset(found)

    def waiting(self, *, until: datetime) -> Iterator[tuple[str, datetime]]:
        """State and first moment of every job due before `until`, from the index alone: to be counted, not decided on."""
        paginator = self._client.get_paginator("query")
        for number in range(items.DUE_SHARDS):
            with translated():
                for page in paginator.paginate(
                    TableName=self._table,
                    IndexName=items.DUE_INDEX,
                    KeyConditionExpression="due_shard = :shard AND due_at <= :until",
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues={":shard": {"S": f"{number:02d}"}, ":until": {"S": show_moment(until)}},
                    ProjectionExpression="#state, received_at",
                ):
                    yield from ((item["state"]["S"], parse_moment(item[items.RECEIVED_AT]["S"])) for item in page["Items"])

    def refer(self, job: Job, references: Iterable[str]) -> None:
        """Let each of these names lead to the job; writing one again changes nothing."""
        for ref in references:
            with translated():
                self._client.put_item(TableName=self._table, Item=items.to_pointer(ref, job))

    def of_record(self, record_id: str) -> tuple[Job, ...]:
        """All jobs of one Airtable row, the latest first."""
        with translated():
            answer = self._client.query(
                TableName=self._table,
                IndexName=items.RECORD_INDEX,
                KeyConditionExpression="record_id = :record",
                ExpressionAttributeValues={":record": {"S": record_id}},
                ScanIndexForward=False,
                Limit=50,
            )
        return tuple(job for item in answer["Items"] if (job := self.get(item[items.KEY]["S"])) is not None)

    def _due_in(self, one: str, *, now: datetime) -> Iterator[Job]:
        names = {f"#{index}": name for index, name in enumerate(items.OF_A_JOB)}
        paginator = self._client.get_paginator("query")
        with translated():
            for page in paginator.paginate(
                TableName=self._table,
                IndexName=items.DUE_INDEX,
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                FilterExpression="attribute_not_exists(lease_until) OR lease_until < :now",
                ExpressionAttributeValues={":shard": {"S": one}, ":now": {"S": show_moment(now)}},
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
            ):
                yield from (items.from_item(item) for item in page["Items"])

    def _item(self, job_id: str) -> Mapping[str, Any]:
        with translated():
            answer = self._client.get_item(TableName=self._table, Key={items.KEY: {"S": job_id}}, ConsistentRead=True)
        return answer.get("Item", {})

    def _update(self, job_id: str, update: str, condition: str, values: dict[str, Any]) -> None:
        arguments: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        with translated(conflict=Outrun(job_id)):
            self._client.update_item(
                TableName=self._table,
                Key={items.KEY: {"S": job_id}},
                UpdateExpression=update,
                ConditionExpression=condition,
                **arguments,
            )


_OPTIONAL = (
    *("record_id", "operation", "target_id", "endpoint", "error", "submitted_at", "told_at", "settled_at", "gone_since"),
    *("published_at", "ingested_at"),
    *(items.DUE_AT, items.DUE_SHARD, items.EXPIRES_AT),
)
