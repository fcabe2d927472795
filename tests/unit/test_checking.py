"""`reelkeeper check`: a healthy system is all good, and each thing that is wrong is one line with its remedy."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from reelkeeper.adapters.viewer import Seen
from reelkeeper.domain.causes import BucketFacts, Check, Expiry
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.schema import Field, Schema
from reelkeeper.services.checking import ROWS_LOOKED_AT, Addresses, check_airtable, check_storage
from tests.unit.builders import NOW
from tests.unit.fakes.airtable import FakeAirtable
from tests.unit.fakes.outside import MAPPING
from tests.unit.fakes.store import FakeBucket, FakeViewer
from tests.unit.test_schema import the_engines_base

KEPT = "https://kept.example.net/outputs/a/0-a.mp4"
HEALTHY = BucketFacts("kept", exists=True, expiries=(), versioning="enabled", public=False)
NCA = BucketFacts("nca", exists=True, expiries=(Expiry("daily", "", 1),), versioning="off", public=True)


class Base(FakeAirtable):
    """A base whose schema may be read."""

    def __init__(self, tables: dict[str, dict[str, Field]] | None = None) -> None:
        super().__init__()
        self._schema = tables or the_engines_base()

    def schema(self) -> Schema:
        return Schema(self._schema)


class Open:
    """A month with calls left, unless it is closed."""

    def __init__(self, until: datetime | None = None) -> None:
        self._until = until

    def closed_until(self) -> datetime | None:
        return self._until


def airtable(base: FakeAirtable, *, closed: datetime | None = None) -> dict[str, Check]:
    return {check.name: check for check in check_airtable(base, MAPPING, Open(closed))}


def storage(base: FakeAirtable | None = None, **changes: Any) -> dict[str, Check]:
    bucket = FakeBucket()
    bucket.objects["outputs/a/0-a.mp4"] = b"film"
    viewer = FakeViewer(bucket)
    if "seen" in changes:
        viewer.instead[KEPT] = changes["seen"]
    addresses = Addresses("https://kept.example.net/{key}", frozenset({"nca.example.com"}), changes.get("sample", KEPT))
    sources: Sequence[BucketFacts] = changes.get("sources", [replace(NCA, expiries=())])
    target = changes.get("target", HEALTHY)
    found = check_storage(target, sources, addresses=addresses, airtable=base or Base(), viewer=viewer, mapping=MAPPING)
    return {check.name: check for check in found}


# Airtable.


def test_a_base_that_has_everything_is_good() -> None:
    assert {check.verdict for check in airtable(Base()).values()} == {"good"}


def test_what_hurts_fails_and_what_only_costs_a_line_warns() -> None:
    tables = the_engines_base()
    del tables["Jobs"]["History"], tables["Videos"]["Video + Music"]
    found = airtable(Base(tables))
    assert found["jobs.history"].verdict == "warn"
    assert found["operations.add_music.attachment"].verdict == "fail"
    assert all(check.remedy for check in found.values() if check.verdict != "good")


def test_without_the_scope_the_schema_is_unknown_and_the_remedy_names_it() -> None:
    check = airtable(FakeAirtable())["the base's schema"]
    assert (check.verdict, "schema.bases:read" in check.remedy) == ("unknown", True)


def test_a_token_that_may_read_nothing_is_one_failure() -> None:
    base = Base()
    base.down = Refused("Airtable: 401; put a valid airtable_token into the secret")
    assert [check.verdict for check in airtable(base).values()] == ["fail"]


def test_a_used_up_month_is_said_without_asking() -> None:
    base = Base()
    (check,) = airtable(base, closed=NOW).values()
    assert (check.verdict, "--resume" in check.remedy) == ("fail", True)
    assert base.reads == []


# Storage.


def test_a_healthy_store_is_all_good() -> None:
    assert {name: check.verdict for name, check in storage().items() if check.verdict != "good"} == {}


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "words"),
    [
        ({"target": replace(HEALTHY, expiries=(Expiry("tmp", "outputs/", 1),))}, "kept files expire", "fail", "'tmp' deletes"),
        ({"target": replace(HEALTHY, versioning="off")}, "deleted files come back", "warn", "versioning of kept is off"),
        ({"sources": [NCA]}, "NCA's files expire", "warn", "after 1 day"),
        ({"sources": []}, "NCA's files expire", "unknown", "not known here"),
        ({"sample": None}, "anybody can read a kept file", "unknown", "nothing is kept"),
        ({"seen": Seen(403, "", None, False)}, "anybody can read a kept file", "fail", "answers 403: objects are private"),
        ({"seen": Seen(200, "", 4, False)}, "anybody can read a kept file", "warn", "no part"),
        ({"seen": RetryLater("it did not answer")}, "anybody can read a kept file", "fail", "did not answer"),
    ],
)
def test_each_cause_of_the_24_hours_is_found_where_it_applies(
    changes: dict[str, Any], name: str, verdict: str, words: str
) -> None:
    check = storage(**changes)[name]
    assert (check.verdict, words in check.what, bool(check.remedy)) == (verdict, True, True)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://v5.airtableusercontent.com/v3/x", "Airtable's own links in text"),
        ("https://s3.x.com/a.mp4?X-Amz-Signature=1", "signed addresses in text"),
        ("https://nca.example.com/a.mp4", "NCA's addresses in text"),
    ],
)
def test_an_address_that_dies_is_found_in_whatever_field_it_is(url: str, name: str) -> None:
    base = Base()
    base.tables["Videos"]["recOne"] = {"Some field of theirs": url}
    found = storage(base)
    assert (found[name].verdict, "Videos.Some field of theirs recOne" in found[name].what) == ("fail", True)
    assert sum(check.verdict == "fail" for check in found.values()) == 1


def test_a_file_that_is_only_in_airtable_is_said() -> None:
    base = Base()
    base.tables["Videos"]["recOne"] = {"Combined Segments Video": [{"id": "att1"}]}
    assert storage(base)["files with no permanent address"].verdict == "warn"
    base.tables["Videos"]["recOne"]["Combined Segments Video URL"] = KEPT
    assert storage(base)["files with no permanent address"].verdict == "good"


def test_airtable_being_down_leaves_the_rest_of_the_checks() -> None:
    base = Base()
    base.down = RetryLater("Airtable answered 503")
    found = storage(base)
    assert (found["addresses in rows"].verdict, found["kept files expire"].verdict) == ("unknown", "good")


def test_a_large_table_is_looked_at_in_part() -> None:
    class Endless(Base):
        asked = 0

        def pages(self, table: str, **_: Any) -> Any:
            while True:
                self.asked += 1
                yield []

    base = Endless()
    storage(base)
    assert base.asked == ROWS_LOOKED_AT // 100 * len({target.table for target in MAPPING.operations.values()})
