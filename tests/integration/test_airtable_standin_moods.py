"""The stand-in Airtable: its limits, its faults, and the journal that shows what a client did (points 5, 8 and 9)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from pyairtable import Api
from urllib3.util import Retry

from local.airtable import Served, serve
from local.airtable.faults import Kind

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


@pytest.fixture
def limited() -> Iterator[Served]:
    with serve(clock=lambda: NOON) as served:
        yield served


def ask(
    airtable: Served, method: str = "GET", path: str = "Jobs", *, timeout: float = 5, **options: object
) -> requests.Response:
    url = f"{airtable.address}/v0/{airtable.base_id}/{path}"
    headers = {"Authorization": f"Bearer {airtable.token}"}
    return requests.request(method, url, headers=headers, timeout=timeout, **options)  # type: ignore[arg-type]


def create(airtable: Served, *, timeout: float = 5) -> requests.Response:
    return ask(airtable, "POST", json={"fields": {"Type": "combine"}}, timeout=timeout)


def statuses(airtable: Served, count: int) -> list[int]:
    return [ask(airtable).status_code for _ in range(count)]


def test_the_sixth_request_in_a_second_is_refused_for_thirty_seconds(limited: Served) -> None:
    assert statuses(limited, 6) == [200] * 5 + [429]
    limited.clock.advance(timedelta(seconds=29.9))
    refused = ask(limited)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "RATE_LIMIT_REACHED")
    limited.clock.advance(timedelta(seconds=0.1))
    assert statuses(limited, 5) == [200] * 5


def test_the_second_slides(limited: Served) -> None:
    assert statuses(limited, 3) == [200] * 3
    limited.clock.advance(timedelta(seconds=0.9))
    assert statuses(limited, 2) == [200] * 2
    limited.clock.advance(timedelta(seconds=0.1))
    assert statuses(limited, 4) == [200] * 3 + [429]


def test_a_refused_write_is_not_saved(limited: Served) -> None:
    statuses(limited, 5)
    assert create(limited).status_code == 429
    assert limited.base.all("Jobs") == {}


@pytest.mark.parametrize("seconds", [None, 30])
def test_retry_after_comes_with_a_429_only_if_switched_on(limited: Served, seconds: int | None) -> None:
    limited.switches.retry_after_s = seconds
    statuses(limited, 5)
    assert ask(limited).headers.get("Retry-After") == (str(seconds) if seconds else None)


def test_the_limit_can_be_switched_off(limited: Served) -> None:
    limited.rate.on = False
    assert statuses(limited, 12) == [200] * 12


def test_the_months_quota_is_another_429(airtable: Served) -> None:
    airtable.rate.quota_used_up = True
    refused = ask(airtable)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    airtable.clock.advance(timedelta(days=1))
    assert ask(airtable).status_code == 429


@pytest.mark.parametrize(
    ("kind", "status", "saved"),
    [
        (Kind.ERROR, 500, 0),
        (Kind.ERROR_AFTER_SAVING, 500, 1),
        (Kind.BAD_GATEWAY, 502, 0),
        (Kind.RETRIABLE, 503, 0),
    ],
)
def test_a_server_error_comes_once_and_saves_or_not(airtable: Served, kind: Kind, status: int, saved: int) -> None:
    airtable.faults.add(kind)
    assert create(airtable).status_code == status
    assert len(airtable.base.all("Jobs")) == saved
    assert create(airtable).status_code == 200


@pytest.mark.parametrize("seconds", [None, 7])
def test_a_retriable_error_may_say_when_to_come_back(airtable: Served, seconds: int | None) -> None:
    airtable.faults.add("retriable", retry_after_s=seconds)
    refused = create(airtable)
    assert refused.json()["error"]["type"] == "RETRIABLE_ERROR"
    assert refused.headers.get("Retry-After") == (str(seconds) if seconds else None)


@pytest.mark.parametrize(("kind", "saved"), [(Kind.DROP, 0), (Kind.DROP_AFTER_SAVING, 1)])
def test_a_dropped_connection_leaves_the_client_not_knowing(
    airtable: Served, kind: Kind, saved: int, capfd: pytest.CaptureFixture[str]
) -> None:
    airtable.faults.add(kind)
    with pytest.raises(requests.ConnectionError):
        create(airtable)
    assert len(airtable.base.all("Jobs")) == saved
    [write] = airtable.journal.writes()
    assert (write.status, write.body) == (None, {"fields": {"Type": "combine"}})
    assert create(airtable).status_code == 200
    assert capfd.readouterr() == ("", "")


def test_a_slow_answer_comes_after_the_write(airtable: Served) -> None:
    airtable.faults.add("slow", delay_s=0.2)
    with pytest.raises(requests.ReadTimeout):
        create(airtable, timeout=0.05)
    assert len(airtable.base.all("Jobs")) == 1


def test_a_truncated_answer_is_no_json_though_the_write_is_saved(airtable: Served) -> None:
    airtable.faults.add("truncated")
    answered = create(airtable)
    assert answered.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answered.json()
    assert len(airtable.base.all("Jobs")) == 1


def test_a_proxys_page_is_html_and_nothing_is_saved(airtable: Served) -> None:
    airtable.faults.add("proxy-page")
    answered = create(airtable)
    assert (answered.status_code, answered.headers["Content-Type"]) == (200, "text/html")
    assert airtable.base.all("Jobs") == {}


def test_down_refuses_everybody_until_it_is_up(airtable: Served) -> None:
    airtable.faults.down = True
    for _ in range(3):
        with pytest.raises(requests.ConnectionError):
            ask(airtable)
    airtable.faults.down = False
    assert ask(airtable).status_code == 200
    assert [entry.status for entry in airtable.journal.all()] == [None, None, None, 200]


def test_a_fault_meets_only_those_it_is_meant_for(airtable: Served) -> None:
    airtable.faults.add("error", times=2, method="post", table="Jobs")
    assert ask(airtable).status_code == 200
    assert ask(airtable, "POST", "Videos", json={"fields": {}}).status_code == 200
    table = airtable.base.table("Jobs")
    assert table
    assert ask(airtable, "POST", table.id, json={"fields": {}}).status_code == 500
    assert [create(airtable).status_code for _ in range(2)] == [500, 200]


def test_a_fault_without_a_number_stays_until_it_is_cleared(airtable: Served) -> None:
    airtable.faults.add("bad-gateway", times=None)
    assert statuses(airtable, 3) == [502] * 3
    airtable.faults.clear()
    assert airtable.faults.waiting() == []
    assert statuses(airtable, 1) == [200]


def test_a_fault_nobody_knows_is_an_error_at_once(airtable: Served) -> None:
    with pytest.raises(ValueError, match="tremor"):
        airtable.faults.add("tremor")


def test_pyairtables_own_retries_write_a_dropped_create_again(airtable: Served) -> None:
    airtable.faults.add("drop-after-saving", times=2)
    eager = Retry(total=5, backoff_factor=0, allowed_methods=None)
    Api(airtable.token, endpoint_url=airtable.address, retry_strategy=eager).table(airtable.base_id, "Jobs").create({})
    assert len(airtable.base.all("Jobs")) == 3


def test_no_repeat_of_reads_makes_it_exactly_one_write(airtable: Served) -> None:
    airtable.faults.add("drop-after-saving", times=None)
    careful = Retry(total=3, connect=3, read=0, other=0)
    jobs = Api(airtable.token, endpoint_url=airtable.address, retry_strategy=careful).table(airtable.base_id, "Jobs")
    with pytest.raises(requests.ConnectionError):
        jobs.create({})
    assert len(airtable.journal.writes("Jobs")) == 1


def test_the_journal_tells_method_path_table_body_status_and_time(airtable: Served) -> None:
    create(airtable)
    ask(airtable, path="Videos?pageSize=3")
    ask(airtable, "POST", "Jobs", data="{")
    ask(airtable, path="Nothing")
    made, listed, broken, unknown = airtable.journal.all()
    assert (made.at, made.method, made.path, made.table) == (NOON, "POST", f"/v0/{airtable.base_id}/Jobs", "Jobs")
    assert (made.body, made.status, made.is_write) == ({"fields": {"Type": "combine"}}, 200, True)
    assert (listed.table, listed.body, listed.is_write) == ("Videos", {"pageSize": "3"}, False)
    assert (broken.body, broken.status) == ("{", 400)
    assert (unknown.table, unknown.status) == ("", 403)
    assert airtable.journal.writes("Videos") == []
    airtable.journal.clear()
    assert airtable.journal.all() == []


def test_the_busiest_second_is_counted_wherever_it_begins(airtable: Served) -> None:
    assert airtable.journal.busiest_second() == 0
    for wait, count in ((0.0, 2), (0.6, 3), (0.6, 4)):
        airtable.clock.advance(timedelta(seconds=wait))
        statuses(airtable, count)
    assert airtable.journal.busiest_second() == 7


def test_many_clients_at_once_lose_no_write(airtable: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(airtable).json()["id"], range(40)))
    assert set(made) == set(airtable.base.all("Jobs"))
    assert len(airtable.journal.writes()) == 40


def test_after_its_block_nobody_gets_an_answer_not_even_on_an_open_connection() -> None:
    with requests.Session() as session:
        with serve() as airtable:
            url = f"{airtable.address}/v0/{airtable.base_id}/Jobs"
            session.headers["Authorization"] = f"Bearer {airtable.token}"
            assert session.get(url, timeout=5).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=5)
