"""The stand-in Airtable: what filterByFormula finds, and which formulas it refuses rather than misread (point 7)."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from pyairtable import Api
from pyairtable.formulas import OR, Formula, field_name, quoted

from local.airtable import Served, serve
from local.airtable.schema import FieldType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


def find(airtable: Served, formula: str, table: str = "Jobs") -> list[str]:
    found = Api(airtable.token, endpoint_url=airtable.address, retry_strategy=None).table(airtable.base_id, table)
    return [record["id"] for record in found.all(formula=formula)]


def refusal(airtable: Served, formula: str, table: str = "Jobs") -> str:
    url = f"{airtable.address}/v0/{airtable.base_id}/{table}"
    headers = {"Authorization": f"Bearer {airtable.token}"}
    refused = requests.get(url, params={"filterByFormula": formula}, headers=headers, timeout=5)
    assert refused.status_code == 422
    assert refused.json()["error"]["type"] == "INVALID_FILTER_BY_FORMULA"
    return str(refused.json()["error"]["message"])


def a_job(airtable: Served, **fields: object) -> str:
    return airtable.base.create("Jobs", {"Status": "processing", "Type": "combine", **fields})


@pytest.mark.parametrize(
    "formula",
    [
        "{Status}='processing'",
        '{Status} = "processing"',
        "'processing'={Status}",
        "{Status}!='failed'",
        "{status id}='processing'",
        "LEN({Type})=7",
        "3 > 2",
        "-2.5 < 1",
        "2 <= 2",
        "'b' >= 'a'",
        "{Type}&'-'&LEN({Type})='combine-7'",
        "AND({Status}='processing', NOT({Type}='zoom'), OR(FALSE(), 1))",
        "and(true(), Not(False()))",
        "IF({Type}='combine', 'yes', '')",
        "IF({Type}='zoom', 'yes')=BLANK()",
        "{Error Details}=BLANK()",
        "{Error Details}=''",
        "{Error Details}=0",
        "NOT({Error Details})",
        "LEN({Error Details})=0",
        "FIND('bin', {Type})=4",
        "FIND('BIN', {Type})=0",
        "SEARCH('BIN', {Type})=4",
        "SEARCH('x', {Type})=BLANK()",
        "FIND('i', {Type}, 6)=0",
        "({Status}='processing')=TRUE()",
        "IS_BEFORE(CREATED_TIME(), DATETIME_PARSE('2026-11-23T12:00:00.001Z'))",
        "IS_AFTER(CREATED_TIME(), '2026-11-23T11:59:59Z')",
        "IS_SAME({Created}, CREATED_TIME())",
        "IS_SAME(CREATED_TIME(), DATETIME_PARSE('2026-11-23'), 'day')",
        "NOT(IS_SAME(CREATED_TIME(), DATETIME_PARSE('2026-11-24'), 'days'))",
        "{Created}=DATETIME_PARSE('2026-11-23T13:00:00+01:00')",
        "{Created}<NOW()",
        "DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours')=1",
        "DATETIME_DIFF(NOW(), CREATED_TIME())=5400",
        "DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours') < 24",
        "IS_AFTER(CREATED_TIME(), DATEADD(NOW(), -2, 'hours'))",
        "LAST_MODIFIED_TIME()=CREATED_TIME()",
        "LAST_MODIFIED_TIME({Status})",
        "NOT(LAST_MODIFIED_TIME({Error Details}))",
        "NOT(IS_BEFORE({Error Details}, NOW()))",
        "DATETIME_DIFF(NOW(), BLANK(), 'hours')=BLANK()",
        "CREATED_TIME()&''='2026-11-23T12:00:00.000Z'",
    ],
)
def test_a_formula_that_holds_finds_the_record(airtable: Served, formula: str) -> None:
    table = airtable.base.table("Jobs")
    status = table.field("Status") if table else None
    assert status
    job = a_job(airtable)
    airtable.clock.advance(timedelta(minutes=90))
    assert find(airtable, formula.replace("{status id}", f"{{{status.id}}}")) == [job]


@pytest.mark.parametrize(
    "formula",
    [
        "{Status}='Processing'",
        "{Error Details}",
        "0",
        "''",
        "FALSE()",
        "BLANK()",
        "{Type}=1",
        # #Error!: of no record, rather than of all.
        "{Type} > 1",
        "IS_BEFORE({Type}, NOW())",
        "DATETIME_PARSE('soon')",
        "IS_BEFORE(1, NOW())",
        "DATEADD(NOW(), 99999999, 'weeks')",
        "{Error Details} < NOW()",
    ],
)
def test_a_formula_that_does_not_hold_finds_nothing(airtable: Served, formula: str) -> None:
    a_job(airtable)
    assert find(airtable, formula) == []


@pytest.mark.parametrize(
    "formula",
    [
        "{Status}=",
        "AND(",
        "1 + 2",
        "Status='processing'",
        "REGEX_MATCH({Type}, 'c')",
        "NOT()",
        "IF(1)",
        "RECORD_ID(1)",
        "DATEADD(NOW(), 1, 'month')",
        "DATEADD(NOW(), 1, {Type})",
        "LAST_MODIFIED_TIME('Type')",
        "'open",
        "{}='x'",
    ],
)
def test_a_formula_that_is_not_understood_is_refused(airtable: Served, formula: str) -> None:
    a_job(airtable)
    assert refusal(airtable, formula).startswith("The formula for filtering records is invalid: ")


def test_unknown_fields_are_named_in_lower_case_even_when_there_is_no_record(airtable: Served) -> None:
    assert refusal(airtable, "OR({External ID}='x', {STATE}=1, {State}=1)").endswith(
        "Unknown field names: external id, state, state"
    )


def test_a_renamed_field_breaks_its_queries_loudly(airtable: Served) -> None:
    airtable.base.rename_field("Jobs", "Status", "State")
    assert refusal(airtable, "{Status}='processing'").endswith("Unknown field names: status")


def test_a_checkbox_is_asked_for_with_not_rather_than_compared_with_false(airtable: Served) -> None:
    done = airtable.base.create("Webhook Events", {"Processed": True})
    open_ = airtable.base.create("Webhook Events", {})
    assert find(airtable, "{Processed}", "Webhook Events") == [done]
    assert find(airtable, "{Processed}=TRUE()", "Webhook Events") == [done]
    assert find(airtable, "NOT({Processed})", "Webhook Events") == [open_]
    refusal(airtable, "{Processed}=FALSE()", "Webhook%20Events")


@pytest.mark.parametrize("value", ["it's", 'say "so"', "back\\slash", "line\nbreak", "\\n", "{brace}", "ünï", "'); OR(1"])
def test_pyairtables_quoting_finds_any_text(airtable: Served, value: str) -> None:
    job = a_job(airtable, **{"External Job ID": value})
    a_job(airtable, **{"External Job ID": "other"})
    assert find(airtable, f"{{External Job ID}}={quoted(value)}") == [job]


def test_pyairtables_field_names_may_hold_a_closing_brace(airtable: Served) -> None:
    airtable.base.add_field("Jobs", "odd } name")
    job = a_job(airtable, **{"odd } name": "x"})
    assert find(airtable, f"{field_name('odd } name')}='x'") == [job]


def test_a_hundred_records_by_id_are_found_quickly(airtable: Served) -> None:
    ids = [a_job(airtable) for _ in range(120)]
    formula = OR(*(Formula(f"RECORD_ID()={quoted(record_id)}") for record_id in ids[20:]))
    began = time.perf_counter()
    assert find(airtable, str(formula)) == ids[20:]
    assert time.perf_counter() - began < 1


def test_links_and_attachments_read_as_text(airtable: Served) -> None:
    video = airtable.base.create("Videos", {"Name": "Film"})
    job = a_job(airtable, **{"Related Video": [video]})
    assert find(airtable, "{Related Video}='Film'") == [job]
    with airtable.ingest.held():
        segment = airtable.base.create("Segments", {"Video": [{"url": f"{airtable.address}/film.mp4"}]})
        assert find(airtable, "FIND('film.mp4', {Video})", "Segments") == [segment]
        assert find(airtable, "NOT({Voiceover})", "Segments") == [segment]


def test_a_formula_field_is_computed_and_can_be_asked_for(airtable: Served) -> None:
    airtable.base.add_field("Jobs", "Age", FieldType.FORMULA, formula="DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours')")
    airtable.base.add_field("Jobs", "Odd", FieldType.FORMULA, formula="NOPE()")
    airtable.base.add_field("Jobs", "Open", FieldType.FORMULA, formula="NOT({Status}='completed')")
    job = a_job(airtable)
    airtable.clock.advance(timedelta(hours=3))
    read = airtable.base.get("Jobs", job)
    assert (read["Age"], read["Odd"], read["Open"]) == (3, "#ERROR!", 1)
    assert find(airtable, "{Age} >= 3") == [job]


@pytest.mark.parametrize(("frozen", "found"), [(None, 0), (NOON, 1)])
def test_now_is_the_time_of_the_request_or_frozen(airtable: Served, frozen: datetime | None, found: int) -> None:
    a_job(airtable)
    airtable.switches.frozen_now = frozen
    airtable.clock.advance(timedelta(hours=25))
    formula = "DATETIME_DIFF(NOW(), CREATED_TIME(), 'hours') < 24"
    assert len(find(airtable, formula)) == found
    # The safe form, a cutoff of the client's, does not care.
    assert len(find(airtable, "IS_BEFORE(CREATED_TIME(), DATETIME_PARSE('2026-11-23T13:00:00.000Z'))")) == 1
