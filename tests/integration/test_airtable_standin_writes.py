"""The stand-in Airtable: what may be written, and with which words the rest is refused (point 4)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from pyairtable import Api

from local.airtable import Served, serve
from local.airtable.errors import ApiError
from local.airtable.schema import FieldType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


def write(airtable: Served, method: str, path: str, body: object) -> requests.Response:
    url = f"{airtable.address}/v0/{airtable.base_id}/{path}"
    return requests.request(method, url, json=body, headers={"Authorization": f"Bearer {airtable.token}"}, timeout=5)


def client(airtable: Served) -> Api:
    return Api(airtable.token, endpoint_url=airtable.address, retry_strategy=None)


def a_job(airtable: Served, **fields: object) -> str:
    return airtable.base.create("Jobs", {"Status": "processing", **fields})


def refusal(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["type"]


def test_one_record_answers_in_the_form_it_was_asked_in(airtable: Served) -> None:
    single = write(airtable, "POST", "Jobs", {"fields": {"Type": "combine"}}).json()
    assert (single["fields"]["Type"], single["createdTime"]) == ("combine", "2026-11-23T12:00:00.000Z")
    several = write(airtable, "POST", "Jobs", {"records": [{"fields": {"Type": "combine"}}]}).json()
    assert [record["fields"]["Type"] for record in several["records"]] == ["combine"]


def test_pyairtable_creates_updates_and_deletes(airtable: Served) -> None:
    jobs = client(airtable).table(airtable.base_id, "Jobs")
    made = jobs.batch_create([{"Type": f"kind {number}"} for number in range(12)])
    jobs.batch_update([{"id": record["id"], "fields": {"Status": "completed"}} for record in made])
    assert {fields["Status"] for fields in airtable.base.all("Jobs").values()} == {"completed"}
    assert jobs.delete(made[0]["id"]) == {"id": made[0]["id"], "deleted": True}
    jobs.batch_delete([record["id"] for record in made[1:]])
    assert airtable.base.all("Jobs") == {}
    assert [
        len(entry.body["records"])
        for entry in airtable.journal.writes()
        if isinstance(entry.body, dict) and entry.method != "DELETE"
    ] == [10, 2, 10, 2]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_more_than_ten_records_are_refused(airtable: Served, method: str) -> None:
    records = [{"id": a_job(airtable), "fields": {}} for _ in range(11)]
    assert refusal(write(airtable, method, "Jobs", {"records": records})) == (422, "INVALID_REQUEST_UNKNOWN")


def test_more_than_ten_deletes_are_refused(airtable: Served) -> None:
    query = "&".join(f"records[]={a_job(airtable)}" for _ in range(11))
    assert refusal(write(airtable, "DELETE", f"Jobs?{query}", None))[0] == 422
    assert len(airtable.base.all("Jobs")) == 11


def test_a_delete_of_several_takes_all_or_none(airtable: Served) -> None:
    job = a_job(airtable)
    refused = write(airtable, "DELETE", f"Jobs?records[]={job}&records[]=recNobody00000000", None)
    assert refusal(refused) == (422, "ROW_DOES_NOT_EXIST")
    assert job in airtable.base.all("Jobs")


def test_patch_leaves_and_put_clears_what_is_not_named(airtable: Served) -> None:
    job = a_job(airtable, Type="combine")
    write(airtable, "PATCH", f"Jobs/{job}", {"fields": {"Status": "completed"}})
    assert airtable.base.get("Jobs", job)["Type"] == "combine"
    write(airtable, "PUT", "Jobs", {"records": [{"id": job, "fields": {"Status": "failed"}}]})
    assert "Type" not in airtable.base.get("Jobs", job)
    assert airtable.base.get("Jobs", job)["Status"] == "failed"


def test_one_wrong_record_and_none_is_written(airtable: Served) -> None:
    first, second = a_job(airtable), a_job(airtable)
    changes = [{"id": first, "fields": {"Status": "completed"}}, {"id": second, "fields": {"Nope": 1}}]
    assert write(airtable, "PATCH", "Jobs", {"records": changes}).status_code == 422
    assert airtable.base.get("Jobs", first)["Status"] == "processing"


def test_the_same_record_twice_in_a_request_is_refused(airtable: Served) -> None:
    job = a_job(airtable)
    assert write(airtable, "PATCH", "Jobs", {"records": [{"id": job, "fields": {}}] * 2}).status_code == 422


def test_a_record_that_is_gone_is_named(airtable: Served) -> None:
    refused = write(airtable, "PATCH", "Jobs", {"records": [{"id": "recNobody00000000", "fields": {}}]})
    assert refusal(refused) == (422, "ROW_DOES_NOT_EXIST")
    assert refused.json()["error"]["message"] == "Record ID recNobody00000000 does not exist"


@pytest.mark.parametrize(
    ("table", "fields", "expected"),
    [
        ("Jobs", {"Nope": "x"}, "UNKNOWN_FIELD_NAME"),
        ("Jobs", {"Status": "done"}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("Jobs", {"Created": "2026-11-23"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Jobs", {"Last Modified": "2026-11-23"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Jobs", {"Type": 7}, "INVALID_VALUE_FOR_COLUMN"),
        ("Jobs", {"Related Video": "recNobody00000000"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Jobs", {"Related Video": ["recNobody00000000"]}, "ROW_DOES_NOT_EXIST"),
        ("Webhook Events", {"Attempts": "7"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Webhook Events", {"Attempts": True}, "INVALID_VALUE_FOR_COLUMN"),
        ("Webhook Events", {"Processed": "yes"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Webhook Events", {"Received At": "soon"}, "INVALID_VALUE_FOR_COLUMN"),
        ("Segments", {"Video": "https://example.org/a.mp4"}, "INVALID_ATTACHMENT_OBJECT"),
        ("Segments", {"Video": ["https://example.org/a.mp4"]}, "INVALID_ATTACHMENT_OBJECT"),
        ("Segments", {"Video": [{"id": "attSomebodyElse00"}]}, "INVALID_ATTACHMENT_OBJECT"),
        ("Segments", {"Video": [{"url": "ftp://example.org/a.mp4"}]}, "INVALID_ATTACHMENT_OBJECT"),
        ("Segments", {"Video": [{"url": "http://[half"}]}, "INVALID_ATTACHMENT_OBJECT"),
        ("Segments", {"Video": [{"filename": "a.mp4"}]}, "INVALID_ATTACHMENT_OBJECT"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_kind(airtable: Served, table: str, fields: object, expected: str) -> None:
    assert refusal(write(airtable, "POST", table.replace(" ", "%20"), {"fields": fields})) == (422, expected)
    assert airtable.base.all(table) == {}


def test_a_select_option_of_another_name_is_told_in_airtables_words(airtable: Served) -> None:
    message = write(airtable, "POST", "Jobs", {"fields": {"Status": "done"}}).json()["error"]["message"]
    assert message == 'Insufficient permissions to create new select option "done"'


def test_a_locked_field_is_forbidden_until_it_is_unlocked(airtable: Served) -> None:
    job = a_job(airtable)
    airtable.base.lock_field("Jobs", "Status")
    refused = write(airtable, "PATCH", f"Jobs/{job}", {"fields": {"Status": "failed"}})
    assert refusal(refused) == (403, "INVALID_PERMISSIONS")
    assert "You are not permitted to write cell values in field Status (fld" in refused.json()["error"]["message"]
    airtable.base.lock_field("Jobs", "Status", locked=False)
    assert write(airtable, "PATCH", f"Jobs/{job}", {"fields": {"Status": "failed"}}).status_code == 200


def test_a_field_taken_away_or_renamed_is_unknown(airtable: Served) -> None:
    job = a_job(airtable)
    airtable.base.remove_field("Jobs", "Error Details")
    airtable.base.rename_field("Jobs", "Status", "State")
    for name in ("Error Details", "Status"):
        assert refusal(write(airtable, "PATCH", f"Jobs/{job}", {"fields": {name: "x"}})) == (422, "UNKNOWN_FIELD_NAME")
    assert airtable.base.get("Jobs", job)["State"] == "processing"


def test_typecast_converts_what_it_can_and_makes_options(airtable: Served) -> None:
    video = airtable.base.create("Videos", {"Name": "Film"})
    job = {"Type": 7, "Status": "done", "Related Video": video}
    made = write(airtable, "POST", "Jobs", {"fields": job, "typecast": True}).json()["fields"]
    assert (made["Type"], made["Status"], made["Related Video"]) == ("7", "done", [video])
    event = {"Attempts": "7.5", "Processed": "checked", "Received At": "2026-11-23T13:00:00+01:00", "Raw Payload": ["a", "b"]}
    made = write(airtable, "POST", "Webhook%20Events", {"fields": event, "typecast": True}).json()["fields"]
    assert made == {"Attempts": 7.5, "Processed": True, "Received At": "2026-11-23T12:00:00.000Z", "Raw Payload": "a, b"}
    event = {"Attempts": "many", "Received At": "soon"}
    assert write(airtable, "POST", "Webhook%20Events", {"fields": event, "typecast": True}).json()["fields"] == {}
    # The option stays, for those who do not ask for typecast.
    assert write(airtable, "POST", "Jobs", {"fields": {"Status": "done"}}).status_code == 200


def test_typecast_in_the_url_is_ignored(airtable: Served) -> None:
    assert write(airtable, "POST", "Jobs?typecast=true", {"fields": {"Status": "done"}}).status_code == 422


def test_null_empties_a_cell(airtable: Served) -> None:
    job = a_job(airtable)
    write(airtable, "PATCH", f"Jobs/{job}", {"fields": {"Status": None}})
    assert "Status" not in airtable.base.get("Jobs", job)


def test_an_upsert_makes_what_is_missing_and_updates_what_matches(airtable: Served) -> None:
    known = a_job(airtable, **{"External Job ID": "a"})
    jobs = client(airtable).table(airtable.base_id, "Jobs")
    changes = [{"fields": {"External Job ID": name, "Status": "completed"}} for name in ("a", "b")]
    result = jobs.batch_upsert(changes, key_fields=["External Job ID"])
    assert result["updatedRecords"] == [known]
    [made] = result["createdRecords"]
    assert airtable.base.get("Jobs", made)["External Job ID"] == "b"
    assert airtable.base.get("Jobs", known)["Status"] == "completed"
    # Again changes nothing: what makes an upsert safe to repeat.
    assert jobs.batch_upsert(changes, key_fields=["External Job ID"])["createdRecords"] == []


def test_an_upsert_that_matches_two_records_fails_as_a_whole(airtable: Served) -> None:
    for _ in range(2):
        a_job(airtable, **{"External Job ID": "twice"})
    changes = [{"fields": {"External Job ID": name}} for name in ("new", "twice")]
    body = {"records": changes, "performUpsert": {"fieldsToMergeOn": ["External Job ID"]}}
    assert write(airtable, "PATCH", "Jobs", body).status_code == 422
    assert len(airtable.base.all("Jobs")) == 2


def test_an_upsert_with_an_id_ignores_the_fields_to_merge_on(airtable: Served) -> None:
    job = a_job(airtable, **{"External Job ID": "a"})
    body = {"records": [{"id": job, "fields": {"Type": "x"}}], "performUpsert": {"fieldsToMergeOn": ["External Job ID"]}}
    assert write(airtable, "PATCH", "Jobs", body).json()["updatedRecords"] == [job]


@pytest.mark.parametrize(
    "merge_on",
    [[], ["Type", "Status", "External Job ID", "Webhook URL"], ["Nope"], ["Created"], ["Related Video"], "Type", ["Type"]],
)
def test_an_upsert_merges_on_one_to_three_fields_that_can_be_compared_and_are_given(airtable: Served, merge_on: object) -> None:
    body = {"records": [{"fields": {"Status": "pending"}}], "performUpsert": {"fieldsToMergeOn": merge_on}}
    assert write(airtable, "PATCH", "Jobs", body).status_code == 422


@pytest.mark.parametrize(
    "body", [[], {}, {"records": []}, {"records": ["x"]}, {"fields": []}, {"records": [{"id": 7, "fields": {}}]}]
)
def test_a_body_of_another_form_is_refused(airtable: Served, body: object) -> None:
    assert write(airtable, "PATCH", "Jobs", body).status_code == 422


def test_a_new_record_has_no_id_and_an_update_has_one(airtable: Served) -> None:
    assert write(airtable, "POST", "Jobs", {"records": [{"id": a_job(airtable), "fields": {}}]}).status_code == 422
    assert write(airtable, "PATCH", "Jobs", {"records": [{"fields": {}}]}).status_code == 422


def test_only_a_users_write_counts_as_a_modification(airtable: Served) -> None:
    airtable.base.add_field("Jobs", "Written", FieldType.FORMULA, formula="LAST_MODIFIED_TIME({Status})")
    job = a_job(airtable)
    airtable.clock.advance(timedelta(hours=1))
    airtable.base.change("Jobs", job, {"Type": "combine"})
    read = airtable.base.get("Jobs", job)
    assert (read["Last Modified"], read["Written"]) == ("2026-11-23T13:00:00.000Z", "2026-11-23T12:00:00.000Z")


def test_the_base_in_process_checks_as_the_api_does(airtable: Served) -> None:
    with pytest.raises(ApiError, match="UNKNOWN_FIELD_NAME"):
        airtable.base.create("Jobs", {"Nope": 1})


def test_a_link_to_a_record_that_was_deleted_is_gone(airtable: Served) -> None:
    video = airtable.base.create("Videos", {"Name": "Film"})
    job = a_job(airtable, **{"Related Video": [video]})
    airtable.base.delete("Videos", video)
    assert "Related Video" not in airtable.base.get("Jobs", job)
