"""Jobs whose callback never came, on the deployed stack: found, counted as one incident, and right in the end."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.engine import Engine, Order
from local.nca import Fault
from local.passing import pass_time
from local.world import World
from reelkeeper.adapters.notebook import Notebook
from reelkeeper.domain.incident import Kind
from tests.e2e.ledger import job, settled, state
from tests.e2e.waiting import until

MINUTE = timedelta(minutes=1)


@pytest.fixture
def people(world: World) -> Iterator[Callable[[], list[str]]]:
    """The subjects of what people are told while the test runs, read from a queue behind the stack's topic."""
    sqs, sns = world.aws.client("sqs"), world.aws.client("sns")
    url = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = world.aws.outputs["TopicArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    heard: list[str] = []

    def told() -> list[str]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for one in messages:
                heard.append(json.loads(one["Body"])["Subject"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return heard

    yield told
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


def an_older(world: World, order: Callable[[], Order]) -> Order:
    """An order given six minutes ago, as far as Airtable can tell."""
    world.airtable.clock.advance(-6 * MINUTE)
    try:
        return order()
    finally:
        world.airtable.clock.advance(6 * MINUTE)


def sweep(world: World) -> Any:
    return world.aws.invoke("poller")


def test_a_lost_callback_is_found_by_the_next_sweep(world: World, engine: Engine, scene: str) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    order = an_older(world, lambda: engine.concatenate("Lost callback", [scene]))
    assert world.nca.toolkit.wait_idle()
    assert sweep(world)["entered"] == 1
    known = settled(world, engine, order)
    assert known.origin == "poll"
    assert engine.permanent_url(order)


def test_a_failure_whose_callback_was_lost_is_told_with_its_reason(world: World, engine: Engine, scene: str) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    missing = f"{world.nca.address}/storage/media/missing.mp3"
    order = an_older(world, lambda: engine.combine("Lost failure", scene, missing))
    assert world.nca.toolkit.wait_idle()
    sweep(world)
    settled(world, engine, order, "failed")
    assert "404" in engine.row(order)["Error Details"]


@pytest.mark.parametrize(
    "fault", [Fault.STATUS_HTML, Fault.STATUS_CUT, Fault.STATUS_HUGE, Fault.STATUS_ODD, Fault.STATUS_OTHER, Fault.STATUS_500]
)
def test_an_answer_of_nca_that_is_none_changes_nothing(world: World, engine: Engine, scene: str, fault: Fault) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    order = an_older(world, lambda: engine.concatenate(f"Odd answer {fault}", [scene]))
    assert world.nca.toolkit.wait_idle()
    world.nca.switches.on(fault)
    sweep(world)
    assert state(world, order.job_id) == "submitted"
    world.nca.switches.off()
    pass_time(world, 30 * MINUTE)
    sweep(world)
    settled(world, engine, order)


def test_nca_killed_with_jobs_in_its_queue_is_one_incident_and_a_late_success_is_kept(
    world: World, engine: Engine, scene: str, people: Callable[[], list[str]]
) -> None:
    sweep(world)
    world.nca.switches.on(Fault.SLOW, seconds=60)
    orders = [an_older(world, lambda: engine.concatenate("Killed", [scene])) for _ in range(3)]
    sweep(world)
    assert {state(world, order.job_id) for order in orders} == {"submitted"}
    world.nca.toolkit.restart()
    world.nca.switches.off()
    pass_time(world, 11 * MINUTE)
    sweep(world)
    assert {state(world, order.job_id) for order in orders} == {"submitted"}
    pass_time(world, 11 * MINUTE)
    assert sweep(world)["lost"] == 3
    for order in orders:
        settled(world, engine, order, "failed")
        assert "worker that is gone" in engine.row(order)["Error Details"]
    assert until(people, "people to be told") == ["Reelkeeper: NCA was restarted and lost jobs"]
    noted = Notebook(world.aws.client("dynamodb"), world.aws.table).incident(Kind.NCA_RESTARTED)
    assert noted is not None
    assert noted.ended_at is None
    # The same job was handed in twice, and its other copy ends well.
    late = {"job_id": orders[0].job_id, "code": 200, "message": "success", "response": scene}
    world.aws.post_callback(late, orders[0].query)
    settled(world, engine, orders[0])
    known = job(world, orders[0].job_id)
    assert known is not None
    assert any(event.what.startswith("lost") for event in known.history)


def test_a_forgotten_job_whose_file_lies_in_ncas_bucket_is_a_success(world: World, engine: Engine, scene: str) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    order = an_older(world, lambda: engine.concatenate("Forgotten", [scene]))
    assert world.nca.toolkit.wait_idle()
    world.nca.toolkit.restart(keep_files=False)
    sweep(world)
    settled(world, engine, order)
    assert engine.permanent_url(order)
