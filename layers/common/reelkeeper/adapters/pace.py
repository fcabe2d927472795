"""The share of Airtable's five requests a second: as many slots as the share, kept in the ledger's table for all functions.

A request takes a slot, and the slot is free again one second after the *answer* came. Two requests on one slot are therefore
a second apart at Airtable, whatever the network does, and never more than the share fall into any one second.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reelkeeper.adapters.dynamodb import translated
from reelkeeper.domain.errors import RetryLater
from reelkeeper.metric import Metric
from reelkeeper.telemetry import logger, record

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# No job is called so: NCA's ids are UUIDs.
KEY = "airtable-share"
# https://airtable.com/developers/web/api/rate-limits: "wait 30 seconds before subsequent requests will succeed".
RATE_LIMIT_WAIT = timedelta(seconds=30)
# Waiting for a slot is paid for; who would have to wait longer gives the work back.
PATIENCE = timedelta(seconds=20)
# While the month's calls are used up, nobody asks Airtable; jobs are told when `reelkeeper check airtable --resume` says so.
WHILE_CLOSED = timedelta(hours=6)
# The clocks of two functions differ by some milliseconds.
_SECOND_MS = 1_030
# A worker that died holds its slot no longer than a request can take.
_HELD_MS = 60_000
_LONGEST_NAP_S = 0.5
_SHUT = ("not_before", "closed_until")


class UsedUp(RetryLater):
    """The workspace's calls of this month are used up: no wait of ours helps."""


class Pace:
    """The slots of one base; `say` tells people, once, when the month's calls are used up."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        share: int,
        say: Callable[[str, str], None] = lambda *_: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._slots = tuple(f"slot_{number}" for number in range(share))
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._known: Mapping[str, int] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have a slot for one request; raises RetryLater where none comes free in time, or Airtable refuses us all."""
        slot = self._take()
        try:
            yield
        finally:
            # One that cannot be given back comes free by itself.
            with suppress(RetryLater):
                self._known = self._update(f"SET {slot} = :free", None, {":free": self._ms(self._clock()) + _SECOND_MS})

    def refused(self, wait: timedelta = RATE_LIMIT_WAIT) -> None:
        """Let nobody ask for so long: Airtable answers all of us with 429."""
        with suppress(RetryLater, _Outrun):
            until = self._ms(self._clock() + wait)
            self._update(
                "SET not_before = :until", "attribute_not_exists(not_before) OR not_before < :until", {":until": until}
            )

    def used_up(self) -> None:
        """Let nobody ask until the first of next month, or until told; people learn of it once."""
        now = self._clock()
        opens = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        try:
            values = {":until": self._ms(opens), ":now": self._ms(now)}
            self._update("SET closed_until = :until", "attribute_not_exists(closed_until) OR closed_until <= :now", values)
        except _Outrun:
            return
        record(Metric.INCIDENTS_TOTAL, kind="airtable_quota")
        try:
            self._say(
                "Airtable: the month's API calls are used up",
                f"Airtable refuses every request of this workspace until {opens:%d %B %Y} (PUBLIC_API_BILLING_LIMIT_EXCEEDED). "
                "Files are kept all the same; rows are told when it answers again. Reelkeeper asks no more until then. "
                "After you have upgraded the plan, run: reelkeeper check airtable --resume",
            )
        except RetryLater as error:
            # The metric has its alarm; what Airtable said is in the error that follows.
            logger.error("people could not be told", reason=error.reason)

    def resume(self) -> bool:
        """Ask Airtable again, before the month is over; whether it was closed at all."""
        closed = self._read().get("closed_until", 0) > self._ms(self._clock())
        self._update("REMOVE closed_until, not_before", None, {})
        self._known = {}
        return closed

    def closed_until(self) -> datetime | None:
        """Until when nobody asks because the month's calls are used up; None where they are not."""
        until = self._read().get("closed_until", 0)
        return datetime.fromtimestamp(until / 1000, UTC) if until > self._ms(self._clock()) else None

    def _take(self) -> str:
        begun = self._clock()
        while True:
            now = self._clock()
            self._open(now)
            free_at, slot = min((self._known.get(slot, 0), slot) for slot in self._slots)
            wait_s = (free_at - self._ms(now)) / 1000
            if wait_s > 0:
                if now - begun >= PATIENCE:
                    raise RetryLater("Airtable's share is taken by other work", delay=PATIENCE)
                self._sleep(min(wait_s, _LONGEST_NAP_S))
                if wait_s > _LONGEST_NAP_S:
                    # A slot is taken for the longest a request may last, and comes free earlier as a rule.
                    self._known = self._read()
                continue
            try:
                values = {":held": self._ms(now) + _HELD_MS, ":now": self._ms(now)}
                free = " AND ".join(f"(attribute_not_exists({one}) OR {one} <= :now)" for one in (slot, *_SHUT))
                self._known = self._update(f"SET {slot} = :held", free, values)
            except _Outrun:
                self._known = self._read()
            else:
                return slot

    def _open(self, now: datetime) -> None:
        """Raise RetryLater while Airtable refuses us all, as far as is known here; taking a slot makes sure."""
        if self._known.get("closed_until", 0) > self._ms(now):
            raise UsedUp("Airtable's calls of this month are used up", delay=WHILE_CLOSED)
        not_before = self._known.get("not_before", 0)
        if not_before > self._ms(now):
            delay = timedelta(milliseconds=not_before - self._ms(now))
            raise RetryLater("Airtable answered 429 a moment ago: all wait", delay=delay)

    def _read(self) -> Mapping[str, int]:
        with translated():
            answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": KEY}}, ConsistentRead=True)
        return _numbers(answer.get("Item", {}))

    def _update(self, update: str, condition: str | None, values: Mapping[str, int]) -> Mapping[str, int]:
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = {name: {"N": str(value)} for name, value in values.items()}
        with translated(conflict=_Outrun()):
            answer = self._client.update_item(
                TableName=self._table, Key={"job_id": {"S": KEY}}, UpdateExpression=update, ReturnValues="ALL_NEW", **more
            )
        return _numbers(answer.get("Attributes", {}))

    @staticmethod
    def _ms(at: datetime) -> int:
        return int(at.timestamp() * 1000)


class _Outrun(Exception):
    """Somebody else was faster, or Airtable refuses us all."""


def _numbers(item: Mapping[str, Any]) -> Mapping[str, int]:
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}
