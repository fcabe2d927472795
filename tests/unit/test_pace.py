"""The share of Airtable's requests: never more than it in a second, whoever asks and however long an answer takes."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from reelkeeper.adapters.pace import PATIENCE, Pace, UsedUp
from reelkeeper.domain.errors import RetryLater
from tests.unit.builders import NOW
from tests.unit.fakes.clock import Clock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

SECOND = timedelta(seconds=1)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["DynamoDBClient"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        made: Any = boto3.client
        dynamodb: DynamoDBClient = made("dynamodb", region_name="us-east-1")
        dynamodb.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        )
        yield dynamodb


class OneAtATime:
    """A table whose conditional writes are atomic, as DynamoDB's are; moto's, called by several threads, are not."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._lock = threading.Lock()

    def update_item(self, **arguments: Any) -> Any:
        with self._lock:
            return self._client.update_item(**arguments)

    def get_item(self, **arguments: Any) -> Any:
        with self._lock:
            return self._client.get_item(**arguments)


def a_pace(client: "DynamoDBClient", clock: Clock, *, share: int = 3, said: list[str] | None = None) -> Pace:
    def sleep(seconds: float) -> None:
        clock.move(timedelta(seconds=seconds))

    return Pace(client, "ledger", share=share, clock=clock, sleep=sleep, say=lambda subject, _: (said or []).append(subject))


def busiest(times: list[datetime]) -> int:
    window: deque[datetime] = deque()
    most = 0
    for at in sorted(times):
        window.append(at)
        while at - window[0] >= SECOND:
            window.popleft()
        most = max(most, len(window))
    return most


@pytest.mark.parametrize("share", [1, 3, 5])
def test_two_functions_together_never_exceed_the_share_in_any_second(client: "DynamoDBClient", share: int) -> None:
    clock = Clock()
    paces = [a_pace(client, clock, share=share) for _ in range(2)]
    asked = []
    for number in range(12 * share):
        with paces[number % 2].turn():
            # The request arrives somewhere between its sending and its answer.
            clock.move(timedelta(milliseconds=13 * (number % 7)))
            asked.append(clock())
            clock.move(timedelta(milliseconds=29 * (number % 5)))
    assert busiest(asked) == share
    # And is used, not only kept to.
    assert clock() - NOW < timedelta(seconds=20)


def test_many_threads_never_exceed_the_share_whatever_the_machine_does(client: "DynamoDBClient") -> None:
    """In real time: the second counts from the answer, so that no delay brings two requests of one slot together."""
    pace = Pace(cast("DynamoDBClient", OneAtATime(client)), "ledger", share=3)
    asked: list[datetime] = []
    lock = threading.Lock()

    def ask(_: int) -> None:
        with pace.turn(), lock:
            asked.append(datetime.now(tz=NOW.tzinfo))

    with ThreadPoolExecutor(6) as askers:
        list(askers.map(ask, range(9)))
    assert len(asked) == 9
    assert busiest(asked) <= 3


def test_who_would_have_to_wait_too_long_gives_the_work_back(client: "DynamoDBClient") -> None:
    clock = Clock()
    held = a_pace(client, clock, share=1)
    with held.turn(), pytest.raises(RetryLater, match="taken by other work"), a_pace(client, clock, share=1).turn():
        pytest.fail("there was a slot")
    assert clock() - NOW <= PATIENCE + SECOND


def test_a_slot_whose_holder_died_comes_free(client: "DynamoDBClient") -> None:
    clock = Clock()
    a_pace(client, clock, share=1)._take()
    clock.move(timedelta(seconds=61))
    with a_pace(client, clock, share=1).turn():
        pass


def test_a_429_stops_everybody_for_thirty_seconds_without_waiting_for_it(client: "DynamoDBClient") -> None:
    clock = Clock()
    one, other = a_pace(client, clock), a_pace(client, clock)
    with other.turn():
        pass
    one.refused()
    with pytest.raises(RetryLater, match="429") as refused, other.turn():
        pytest.fail("it was let through")
    assert refused.value.delay == timedelta(seconds=30)
    assert clock() == NOW
    clock.move(timedelta(seconds=30))
    with other.turn():
        pass


def test_a_later_429_lasts_longer_and_an_earlier_one_shortens_nothing(client: "DynamoDBClient") -> None:
    clock = Clock()
    pace = a_pace(client, clock)
    pace.refused()
    clock.move(10 * SECOND)
    pace.refused()
    pace.refused(SECOND)
    clock.move(29 * SECOND)
    with pytest.raises(RetryLater), pace.turn():
        pytest.fail("it was let through")


def test_a_used_up_month_is_told_once_and_nobody_asks_until_it_is_over(client: "DynamoDBClient") -> None:
    clock, said = Clock(), ["before"]
    one, other = a_pace(client, clock, said=said), a_pace(client, clock, said=said)
    one.used_up()
    other.used_up()
    assert said == ["before", "Airtable: the month's API calls are used up"]
    for pace in (one, other):
        with pytest.raises(UsedUp) as closed, pace.turn():
            pytest.fail("it was let through")
        assert closed.value.delay == timedelta(hours=6)
    assert one.closed_until() == datetime(2026, 12, 1, tzinfo=NOW.tzinfo)
    clock.now = datetime(2026, 12, 1, tzinfo=NOW.tzinfo)
    with other.turn():
        pass
    assert one.closed_until() is None


def test_people_who_cannot_be_told_keep_nobody_from_stopping(client: "DynamoDBClient") -> None:
    def say(*_: str) -> None:
        raise RetryLater("SNS is down")

    clock = Clock()
    Pace(client, "ledger", share=1, clock=clock, say=say).used_up()
    with pytest.raises(UsedUp), a_pace(client, clock).turn():
        pytest.fail("it was let through")


def test_a_person_may_open_it_before(client: "DynamoDBClient") -> None:
    clock = Clock()
    pace = a_pace(client, clock)
    assert pace.resume() is False
    pace.used_up()
    assert pace.resume() is True
    with a_pace(client, clock).turn(), pace.turn():
        pass


def test_a_ledger_that_does_not_answer_lets_nothing_through() -> None:
    with mock_aws():
        made: Any = boto3.client
        client = made("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        with pytest.raises(RetryLater), Pace(client, "nowhere", share=1).turn():
            pytest.fail("it was let through")
