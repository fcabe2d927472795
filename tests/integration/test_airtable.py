"""The Airtable adapter against the stand-in, over HTTP: what is read, what one call costs, and what each refusal means."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from local.airtable import Served, serve
from local.airtable.faults import Kind
from reelkeeper.adapters.airtable import Airtable, Row, UnknownField, UnknownOption
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from tests.unit.builders import NOW

FIELDS = ("Status", "Response Payload", "Related Video")


@pytest.fixture
def served() -> Iterator[Served]:
    with serve(clock=lambda: NOW, rate_limited=False) as served:
        yield served


@pytest.fixture
def airtable(served: Served) -> Airtable:
    return Airtable(token=served.token, base_id=served.base_id, endpoint=served.address)


def a_row(served: Served, **fields: object) -> str:
    return served.base.create("Jobs", {"Status": "processing", **fields})


def statuses(served: Served) -> list[int | None]:
    return [entry.status for entry in served.journal.all()]


# Reading.


def test_rows_are_read_by_their_ids_as_far_as_they_exist(served: Served, airtable: Airtable) -> None:
    video = served.base.create("Videos", {"Name": "Film"})
    row = a_row(served, **{"Related Video": [video], "Type": "concatenate"})
    found = airtable.rows("Jobs", [row, "recNowhere0000001"], fields=FIELDS)
    assert {name: one.fields for name, one in found.items()} == {row: {"Status": "processing", "Related Video": [video]}}


def test_a_hundred_rows_cost_one_request_and_the_next_one_another(served: Served, airtable: Airtable) -> None:
    rows = [a_row(served) for _ in range(101)]
    served.journal.clear()
    assert set(airtable.rows("Jobs", rows, fields=FIELDS)) == set(rows)
    assert statuses(served) == [200, 200]


def test_rows_are_found_by_what_a_field_holds_the_first_where_several_do(served: Served, airtable: Airtable) -> None:
    quoted = 'it\'s "quoted" \\ and {braced}'
    first = a_row(served, **{"External Job ID": quoted})
    a_row(served, **{"External Job ID": quoted})
    other = a_row(served, **{"External Job ID": "other"})
    found = airtable.rows_with("Jobs", "External Job ID", [quoted, "other", "nobody"], fields=FIELDS)
    assert {value: row.record_id for value, row in found.items()} == {quoted: first, "other": other}


def test_more_rows_than_a_page_has_are_all_read(served: Served, airtable: Airtable) -> None:
    """Duplicates of one job may fill a page before another job's row comes."""
    for _ in range(150):
        a_row(served, **{"External Job ID": "many"})
    last = a_row(served, **{"External Job ID": "last"})
    assert airtable.rows_with("Jobs", "External Job ID", ["many", "last"], fields=FIELDS)["last"].record_id == last


def test_no_id_changes_the_question(served: Served, airtable: Airtable) -> None:
    row = a_row(served)
    assert airtable.rows("Jobs", ["rec', 1=1", "' OR TRUE()", ""], fields=FIELDS) == {}
    assert airtable.rows("Jobs", [row, row], fields=FIELDS).keys() == {row}


def test_a_field_the_base_lacks_costs_only_that_field(served: Served, airtable: Airtable) -> None:
    row = a_row(served)
    found = airtable.rows("Jobs", [row], fields=("Status", "Permanent URL"))
    assert found[row].fields["Status"] == "processing"


# Writing.


def test_rows_are_written_ten_at_a_time_and_other_fields_left_alone(served: Served, airtable: Airtable) -> None:
    rows = [a_row(served, Type="combine") for _ in range(11)]
    served.journal.clear()
    airtable.write("Jobs", [Row(row, {"Status": "completed"}) for row in rows])
    assert [(entry.method, entry.status) for entry in served.journal.all()] == [("PATCH", 200)] * 2
    assert {served.base.get("Jobs", row)["Status"] for row in rows} == {"completed"}
    assert {served.base.get("Jobs", row)["Type"] for row in rows} == {"combine"}


def test_nothing_to_write_costs_nothing(served: Served, airtable: Airtable) -> None:
    airtable.write("Jobs", [])
    assert not served.journal.all()


@pytest.mark.parametrize("kind", [Kind.ERROR_AFTER_SAVING, Kind.DROP_AFTER_SAVING, Kind.TRUNCATED])
def test_a_write_whose_answer_was_lost_is_made_once_and_may_be_made_again(
    served: Served, airtable: Airtable, kind: Kind
) -> None:
    """pyairtable's own default sends it six times (measured with 3.5.1)."""
    row = a_row(served)
    served.journal.clear()
    served.faults.add(kind)
    with pytest.raises(RetryLater, match="Airtable"):
        airtable.write("Jobs", [Row(row, {"Status": "completed"})])
    assert len(served.journal.writes()) == 1
    assert served.base.get("Jobs", row)["Status"] == "completed"
    airtable.write("Jobs", [Row(row, {"Status": "completed"})])


# Saying no, for now.


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.BAD_GATEWAY, Kind.RETRIABLE, Kind.DROP, Kind.PROXY_PAGE])
@pytest.mark.parametrize(
    "call",
    [
        lambda airtable, row: airtable.rows("Jobs", [row], fields=FIELDS),
        lambda airtable, row: airtable.write("Jobs", [Row(row, {"Status": "completed"})]),
    ],
    ids=["read", "write"],
)
def test_what_passes_is_tried_later_and_asked_once(
    served: Served, airtable: Airtable, kind: Kind, call: Callable[[Airtable, str], object]
) -> None:
    row = a_row(served)
    served.journal.clear()
    served.faults.add(kind)
    with pytest.raises(RetryLater, match="Airtable"):
        call(airtable, row)
    assert len(served.journal.all()) == 1
    assert served.base.get("Jobs", row)["Status"] == "processing"


@pytest.mark.parametrize("retry_after_s", [None, 2])
def test_a_429_waits_half_a_minute_elsewhere_and_asks_once(
    served: Served, airtable: Airtable, retry_after_s: int | None
) -> None:
    """Airtable refuses for 30 seconds whatever a header says, and each try in between is wasted."""
    row = a_row(served)
    served.rate.on = True
    served.switches.retry_after_s = retry_after_s
    for _ in range(5):
        airtable.rows("Jobs", [row], fields=FIELDS)
    with pytest.raises(RetryLater, match="429 RATE_LIMIT_REACHED") as refused:
        airtable.rows("Jobs", [row], fields=FIELDS)
    assert refused.value.delay is not None
    assert refused.value.delay >= timedelta(seconds=30)
    assert statuses(served) == [200] * 5 + [429]


def test_nobody_at_the_address_is_tried_later_and_said_so(served: Served) -> None:
    nowhere = Airtable(token=served.token, base_id=served.base_id, endpoint="http://127.0.0.1:9")
    with pytest.raises(RetryLater, match=r"did not answer: .*; if this lasts, check AirtableEndpoint \(http://127.0.0.1:9"):
        nowhere.rows("Jobs", ["recA"], fields=FIELDS)


# Saying no, until a person acts: one line, with the remedy.


def test_a_used_up_quota_names_the_plan(served: Served, airtable: Airtable) -> None:
    served.rate.quota_used_up = True
    with pytest.raises((Refused, RetryLater), match="monthly API calls are used up: upgrade the plan"):
        airtable.rows("Jobs", ["recA"], fields=FIELDS)
    assert len(served.journal.all()) == 1


def test_a_wrong_token_names_the_secret_and_is_not_shown(served: Served) -> None:
    stranger = Airtable(token="patWrong.wrong", base_id=served.base_id, endpoint=served.address)
    with pytest.raises(Refused, match=r"401 AUTH.*; put a valid airtable_token into the secret") as refused:
        stranger.rows("Jobs", ["recA"], fields=FIELDS)
    assert "patWrong" not in refused.value.reason


@pytest.mark.parametrize(("base_id", "table"), [("appAnother0000001", "Jobs"), (None, "Jobz")])
def test_a_scope_a_base_or_a_table_that_is_missing_names_all_three(served: Served, base_id: str | None, table: str) -> None:
    """Airtable does not say which."""
    airtable = Airtable(token=served.token, base_id=base_id or served.base_id, endpoint=served.address)
    with pytest.raises(Refused, match=f"'{table}': 403 .*; give the token .* on this base, and check the names in the mapping"):
        airtable.write(table, [Row("recA", {"Status": "completed"})])


def test_a_field_the_base_lacks_is_named(served: Served, airtable: Airtable) -> None:
    row = a_row(served)
    with pytest.raises(UnknownField, match=r'name: "Permanent URL"; add the field .* or empty its name in the mapping'):
        airtable.write("Jobs", [Row(row, {"Permanent URL": "https://kept.example.net"})])


def test_an_option_the_field_lacks_is_named(served: Served, airtable: Airtable) -> None:
    row = a_row(served)
    with pytest.raises(UnknownOption, match='"done"; add the option to the field or change its name in the mapping'):
        airtable.write("Jobs", [Row(row, {"Status": "done"})])


def test_a_value_of_the_wrong_kind_is_refused(served: Served, airtable: Airtable) -> None:
    row = a_row(served)
    with pytest.raises(Refused, match="INVALID_VALUE_FOR_COLUMN"):
        airtable.write("Jobs", [Row(row, {"Related Video": "not a list"})])


def test_a_row_that_was_deleted_is_gone(served: Served, airtable: Airtable) -> None:
    with pytest.raises(Gone, match="recNowhere0000001"):
        airtable.write("Jobs", [Row("recNowhere0000001", {"Status": "completed"})])


@pytest.mark.parametrize("as_object", [False, True])
def test_both_shapes_of_an_error_are_read(served: Served, as_object: bool) -> None:
    """`{"error": {"type": …}}` and `{"error": "…"}`."""
    served.switches.not_found_as_object = as_object
    lost = Airtable(token=served.token, base_id=served.base_id, endpoint=f"{served.address}/nowhere")
    with pytest.raises(Gone, match="404 NOT_FOUND"):
        lost.rows("Jobs", ["recA"], fields=FIELDS)
