"""What the ledger's table holds beside jobs: what is known of NCA as a whole, how long jobs take, incidents, and counts.

Each note is an item of its own. Its key begins with a space, which no job's does: ids are stripped when they are read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from reelkeeper.adapters.dynamodb import translated
from reelkeeper.adapters.ledger import Outrun
from reelkeeper.domain.callback import Sender
from reelkeeper.domain.fleet import Fleet, Sighting
from reelkeeper.domain.incident import Incident, Kind, Pulse
from reelkeeper.domain.moment import parse_moment, show_moment
from reelkeeper.domain.timing import Durations, duration_step

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FLEET, _PULSE, _SWEEP, _DURATIONS, _INCIDENT, _COUNT = (
    " fleet",
    " pulse",
    " sweep",
    " durations ",
    " incident ",
    " count ",
)
_write, _read = TypeSerializer(), TypeDeserializer()


@dataclass(frozen=True, slots=True)
class _Condition:
    """What must hold for a write; its values are named as in the expression."""

    expression: str
    values: Mapping[str, Any]


class Notebook:
    """The notes, by the name of the ledger's table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def begin_sweep(self, *, owner: str, now: datetime, until: datetime) -> bool:
        """Take the right to sweep; False while another sweep has it."""
        free = _Condition(
            "attribute_not_exists(owner_id) OR owner_id = :owner OR lasts_until < :now", {":now": show_moment(now)}
        )
        return self._won(
            _SWEEP, "SET owner_id = :owner, lasts_until = :until", {":owner": owner, ":until": show_moment(until)}, free
        )

    def end_sweep(self, *, owner: str) -> None:
        """Give the right back; nothing happens where it is another's by now."""
        self._won(_SWEEP, "REMOVE owner_id, lasts_until", {}, _Condition("owner_id = :owner", {":owner": owner}))

    def fleet(self) -> Fleet:
        """NCA's workers as far as they were seen."""
        page = self._page(_FLEET)
        sightings = tuple(
            Sighting(Sender(one["pid"], one["queue_id"]), parse_moment(one["first"]), parse_moment(one["last"]))
            for one in page.get("sightings", ())
        )
        idle_since = parse_moment(page["idle_since"]) if "idle_since" in page else None
        return Fleet(sightings, int(page.get("most_at_once", 0)), idle_since, tuple(page.get("waiting", ())))

    def keep_fleet(self, fleet: Fleet) -> None:
        """Write the fleet down; only a sweep does, and there is one at a time."""
        sightings = [
            {
                "pid": one.worker.pid,
                "queue_id": one.worker.queue_id,
                "first": show_moment(one.first_seen_at),
                "last": show_moment(one.last_seen_at),
            }
            for one in fleet.sightings
        ]
        page: dict[str, Any] = {"sightings": sightings, "most_at_once": fleet.most_at_once, "waiting": list(fleet.waiting)}
        if fleet.idle_since is not None:
            page["idle_since"] = show_moment(fleet.idle_since)
        with translated():
            self._client.put_item(
                TableName=self._table, Item={name: _write.serialize(one) for name, one in {"job_id": _FLEET, **page}.items()}
            )

    def observe(self, operation: str, took_s: float) -> None:
        """Count how long a job of this operation took."""
        self._won(_DURATIONS + operation, f"ADD step_{duration_step(took_s)} :one", {":one": 1})

    def durations(self, operations: Iterable[str]) -> dict[str, Durations]:
        """How long jobs of these operations took."""
        pages = {operation: self._page(_DURATIONS + operation) for operation in operations}
        return {
            operation: Durations(
                {int(name.removeprefix("step_")): int(count) for name, count in page.items() if name.startswith("step_")}
            )
            for operation, page in pages.items()
        }

    def heard(self, at: datetime) -> None:
        """A callback came by webhook."""
        self._won(_PULSE, "SET webhook_at = :at REMOVE found_since", {":at": show_moment(at)})

    def found(self, at: datetime) -> Pulse:
        """A sweep found jobs that had ended without a word; returns what is known of the webhook."""
        self._won(_PULSE, "SET found_since = if_not_exists(found_since, :at)", {":at": show_moment(at)})
        page = self._page(_PULSE)
        return Pulse(*(parse_moment(page[name]) if name in page else None for name in ("webhook_at", "found_since")))

    def count(self, what: str, *, limit: int, until: datetime) -> int | None:
        """Count one more of something, and return how many it is now; None where the limit is reached already.

        What was counted last is remembered until `until` at least.
        """
        update = "SET times = if_not_exists(times, :zero) + :one, expires_at = :until"
        values = {":zero": 0, ":one": 1, ":until": int(until.timestamp())}
        below = _Condition("attribute_not_exists(times) OR times < :limit", {":limit": limit})
        return int(self._page(_COUNT + what)["times"]) if self._won(_COUNT + what, update, values, below) else None

    def counted(self, what: str) -> int:
        """How often something was counted."""
        return int(self._page(_COUNT + what).get("times", 0))

    def incident(self, kind: Kind) -> Incident | None:
        """The latest incident of a kind, over or not."""
        page = self._page(_INCIDENT + kind)
        if "opened_at" not in page:
            return None
        ended_at = parse_moment(page["ended_at"]) if "ended_at" in page else None
        return Incident(kind, parse_moment(page["opened_at"]), str(page["what"]), parse_moment(page["seen_at"]), ended_at)

    def open_incident(self, kind: Kind, *, what: str, at: datetime) -> bool:
        """Note that an incident is going on; True for the one who noted it first."""
        key, now = _INCIDENT + kind, show_moment(at)
        new = _Condition("attribute_not_exists(opened_at) OR attribute_exists(ended_at)", {})
        opening = "SET opened_at = :now, seen_at = :now, what = :what REMOVE ended_at"
        if self._won(key, opening, {":now": now, ":what": what}, new):
            return True
        self._won(key, "SET seen_at = :now", {":now": now})
        return False

    def end_incident(self, kind: Kind, *, at: datetime) -> bool:
        """Note that an incident is over; True for the one who noted it."""
        going_on = _Condition("attribute_exists(opened_at) AND attribute_not_exists(ended_at)", {})
        return self._won(_INCIDENT + kind, "SET ended_at = :now", {":now": show_moment(at)}, going_on)

    def _page(self, key: str) -> dict[str, Any]:
        with translated():
            answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": key}}, ConsistentRead=True)
        return {name: _read.deserialize(value) for name, value in answer.get("Item", {}).items()}

    def _won(self, key: str, update: str, values: Mapping[str, Any], condition: _Condition | None = None) -> bool:
        """Write, and say whether the condition held."""
        more: dict[str, Any] = {"ConditionExpression": condition.expression} if condition else {}
        named = {**values, **(condition.values if condition else {})}
        if named:
            more["ExpressionAttributeValues"] = {name: _write.serialize(value) for name, value in named.items()}
        try:
            with translated(conflict=Outrun(key)):
                self._client.update_item(TableName=self._table, Key={"job_id": {"S": key}}, UpdateExpression=update, **more)
        except Outrun:
            return False
        return True
