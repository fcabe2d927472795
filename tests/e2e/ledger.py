"""The ledger as the tests read it, through the product's own adapter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from local.engine import Engine, Order
from local.world import World
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.domain.job import Job
from tests.e2e.waiting import until


def job(world: World, job_id: str) -> Job | None:
    """What the ledger knows of a job."""
    return Ledger(world.aws.client("dynamodb"), world.aws.table).get(job_id)


def state(world: World, job_id: str) -> str | None:
    """Where a job stands; None while nothing is known of it."""
    known = job(world, job_id)
    return known.state if known else None


def settled(world: World, engine: Engine, order: Order, status: str = "completed", *, seconds: float = 60) -> Job:
    """The job, once its row reads `status` and the ledger knows that it was told."""
    until(lambda: engine.row(order).get("Status") == status, f"the row of {order.operation} to read {status}", seconds=seconds)

    def told() -> Job | None:
        known = job(world, order.job_id)
        return known if known and known.told_at else None

    return until(told, "the ledger to know that Airtable was told")


def let_pass(world: World, job_id: str, by: timedelta) -> None:
    """As if so much time had passed since the job was published: it is due now."""
    now = datetime.now(UTC)

    def earlier(known: Job | None) -> Job:
        assert known is not None
        assert known.published_at is not None
        return replace(known, due_at=now, published_at=known.published_at - by)

    Ledger(world.aws.client("dynamodb"), world.aws.table).change(job_id, earlier)
