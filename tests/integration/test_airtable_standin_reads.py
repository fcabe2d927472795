"""The stand-in Airtable: who is let in, what is listed, and how it says no (points 1 to 3 of what it must do)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from pyairtable import Api
from pyairtable.models.schema import SingleSelectFieldSchema

from local.airtable import Served, serve
from local.airtable.schema import FieldType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


def ask(airtable: Served, method: str, path: str, *, token: str | None = None, **options: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or airtable.token}"}
    url = f"{airtable.address}/v0/{path.replace('BASE', airtable.base_id)}"
    return requests.request(method, url, headers=headers, timeout=5, **options)  # type: ignore[arg-type]


def kind(response: requests.Response) -> str:
    error = response.json()["error"]
    return str(error["type"] if isinstance(error, dict) else error)


def jobs(airtable: Served, count: int) -> list[str]:
    return [airtable.base.create("Jobs", {"External Job ID": f"job-{number:03}"}) for number in range(count)]


def client(airtable: Served) -> Api:
    return Api(airtable.token, endpoint_url=airtable.address, retry_strategy=None)


def test_a_wrong_token_is_told_to_authenticate(airtable: Served) -> None:
    refused = ask(airtable, "GET", "BASE/Jobs", token="patOther")
    assert (refused.status_code, kind(refused)) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize("path", ["appSomebodyElse00/Jobs", "BASE/Nothing", "meta/bases/appSomebodyElse00/tables"])
def test_an_unknown_base_or_table_looks_like_missing_rights(airtable: Served, path: str) -> None:
    refused = ask(airtable, "GET", path)
    assert (refused.status_code, kind(refused)) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_a_missing_record_is_404_in_the_shape_that_was_chosen(airtable: Served) -> None:
    assert ask(airtable, "GET", "BASE/Jobs/recNobody00000000").json() == {"error": "NOT_FOUND"}
    airtable.switches.not_found_as_object = True
    refused = ask(airtable, "PATCH", "BASE/Jobs/recNobody00000000", json={"fields": {}})
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "NOT_FOUND")


def test_an_unknown_route_is_404_as_an_object(airtable: Served) -> None:
    refused = ask(airtable, "GET", "BASE")
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "NOT_FOUND")


def test_tables_and_fields_are_named_by_name_or_id(airtable: Served) -> None:
    [record_id] = jobs(airtable, 1)
    table = airtable.base.table("Jobs")
    assert table
    field = table.field("External Job ID")
    assert field
    listed = ask(airtable, "GET", f"BASE/{table.id}", params={"fields[]": field.id, "returnFieldsByFieldId": "1"}).json()
    assert listed == {
        "records": [{"id": record_id, "createdTime": "2026-11-23T12:00:00.000Z", "fields": {field.id: "job-000"}}]
    }
    read = ask(airtable, "GET", f"BASE/Jobs/{record_id}", params={"returnFieldsByFieldId": "true"}).json()
    assert read["fields"][field.id] == "job-000"


def test_empty_fields_are_not_there(airtable: Served) -> None:
    table = airtable.base.table("Webhook Events")
    assert table
    event = {"Service": "", "Processed": False, "Related Job": [], "Attempts": 0}
    written = ask(airtable, "POST", f"BASE/{table.id}", json={"fields": event}).json()
    assert written["fields"] == {"Attempts": 0}


def test_pyairtable_reads_the_schema(airtable: Served) -> None:
    airtable.base.add_field("Jobs", "Age", FieldType.FORMULA, formula="DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours')")
    schema = client(airtable).base(airtable.base_id).schema()
    assert [table.name for table in schema.tables] == ["Jobs", "Segments", "Videos", "Webhook Events"]
    status = schema.table("Jobs").field("Status")
    assert isinstance(status, SingleSelectFieldSchema)
    assert [choice.name for choice in status.options.choices] == ["pending", "processing", "completed", "failed"]
    assert "Status" not in [field.name for field in schema.table("Videos").fields]
    for table in schema.tables:
        assert all(field.id.startswith("fld") and len(field.id) == 17 for field in table.fields)


def test_pyairtable_reads_page_after_page(airtable: Served) -> None:
    ids = jobs(airtable, 205)
    assert [record["id"] for record in client(airtable).table(airtable.base_id, "Jobs").all()] == ids
    assert len(airtable.journal.all("Jobs")) == 3


def test_a_page_has_a_hundred_records_at_most(airtable: Served) -> None:
    jobs(airtable, 101)
    listed = ask(airtable, "GET", "BASE/Jobs").json()
    assert len(listed["records"]) == 100
    assert listed["offset"].startswith("itr")
    assert ask(airtable, "GET", "BASE/Jobs", params={"pageSize": 101}).status_code == 422
    assert ask(airtable, "GET", "BASE/Jobs", params={"pageSize": "many"}).status_code == 422


def test_max_records_counts_over_all_pages(airtable: Served) -> None:
    ids = jobs(airtable, 7)
    first = ask(airtable, "GET", "BASE/Jobs", params={"maxRecords": 5, "pageSize": 3}).json()
    second = ask(airtable, "GET", "BASE/Jobs", params={"maxRecords": 5, "pageSize": 3, "offset": first["offset"]}).json()
    assert [record["id"] for record in (*first["records"], *second["records"])] == ids[:5]
    assert "offset" not in second


@pytest.mark.parametrize(("ttl", "status"), [(timedelta(minutes=5), 422), (None, 200)])
def test_an_offset_dies_when_its_time_is_over(airtable: Served, ttl: timedelta | None, status: int) -> None:
    airtable.switches.iterator_ttl = ttl
    jobs(airtable, 2)
    offset = ask(airtable, "GET", "BASE/Jobs", params={"pageSize": 1}).json()["offset"]
    airtable.clock.advance(timedelta(minutes=5))
    listed = ask(airtable, "GET", "BASE/Jobs", params={"pageSize": 1, "offset": offset})
    assert listed.status_code == status
    if status == 422:
        assert kind(listed) == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"


def test_an_offset_nobody_gave_is_refused(airtable: Served) -> None:
    refused = ask(airtable, "GET", "BASE/Jobs", params={"offset": "itrNobody/recNobody"})
    assert kind(refused) == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"


def test_sorted_by_several_fields_either_way(airtable: Served) -> None:
    for attempts, service in ((2, "b"), (1, "b"), (2, "a"), (10, "A")):
        airtable.base.create("Webhook Events", {"Attempts": attempts, "Service": service})
    airtable.base.create("Webhook Events", {"Service": "a"})
    events = client(airtable).table(airtable.base_id, "Webhook Events")
    found = [(one["fields"]["Service"], one["fields"].get("Attempts")) for one in events.all(sort=["Service", "-Attempts"])]
    assert found == [("A", 10), ("a", 2), ("a", None), ("b", 2), ("b", 1)]


def test_an_unknown_field_to_show_or_sort_by_is_named(airtable: Served) -> None:
    for params in ({"fields[]": "Nope"}, {"sort[0][field]": "Nope"}):
        refused = ask(airtable, "GET", "BASE/Jobs", params=params)
        assert (refused.status_code, kind(refused)) == (422, "UNKNOWN_FIELD_NAME")


def test_a_view_that_does_not_exist_is_refused_rather_than_overlooked(airtable: Served) -> None:
    assert ask(airtable, "GET", "BASE/Jobs", params={"view": "Mine"}).status_code == 422
    assert ask(airtable, "GET", "BASE/Jobs", params={"cellFormat": "string"}).status_code == 422


def test_a_url_of_sixteen_thousand_characters_is_refused_and_its_post_is_not(airtable: Served) -> None:
    [record_id] = jobs(airtable, 1)
    formula = f"OR(RECORD_ID()='{record_id}', {{External Job ID}}='{'x' * 16_000}')"
    assert ask(airtable, "GET", "BASE/Jobs", params={"filterByFormula": formula}).status_code == 422
    listed = ask(airtable, "POST", "BASE/Jobs/listRecords", json={"filterByFormula": formula, "fields": ["Type"]})
    assert [record["id"] for record in listed.json()["records"]] == [record_id]


def test_pyairtable_turns_a_long_query_into_a_post_and_finds_the_same(airtable: Served) -> None:
    ids = jobs(airtable, 3)
    formula = f"OR({', '.join(f'RECORD_ID()={chr(39)}{record_id}{chr(39)}' for record_id in ids[:2] * 300)})"
    found = (
        client(airtable)
        .table(airtable.base_id, "Jobs")
        .all(formula=formula, fields=["External Job ID"], sort=["-External Job ID"])
    )
    assert [record["id"] for record in found] == [ids[1], ids[0]]
    assert [(entry.method, entry.is_write) for entry in airtable.journal.all()] == [("POST", False)]


def test_a_list_body_of_another_form_is_refused(airtable: Served) -> None:
    bodies: list[object] = [[], {"fields": "Type"}, {"sort": [{"direction": "asc"}]}, {"pageSize": True}]
    for body in bodies:
        assert ask(airtable, "POST", "BASE/Jobs/listRecords", json=body).status_code == 422
    broken = ask(airtable, "POST", "BASE/Jobs/listRecords", data="{")
    assert (broken.status_code, kind(broken)) == (400, "INVALID_REQUEST_BODY")


def test_the_base_in_process_says_what_is_missing(airtable: Served) -> None:
    with pytest.raises(KeyError, match="no table 'Nothing'"):
        airtable.base.all("Nothing")
    with pytest.raises(KeyError, match="no field 'Nope'"):
        airtable.base.remove_field("Jobs", "Nope")
