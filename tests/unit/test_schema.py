"""The base against the mapping: each miss is named with its remedy, and nothing else is."""

from dataclasses import replace
from importlib.resources import files
from types import MappingProxyType

import pytest

from local.airtable.engine import engine_base
from reelkeeper.domain.mapping import read_mapping
from reelkeeper.domain.schema import Field, Miss, Schema, misses

MAPPING = read_mapping(files("reelkeeper").joinpath("mapping.toml").read_text("utf-8"))


def the_engines_base() -> dict[str, dict[str, Field]]:
    """The stand-in's base, which has all that the mapping names."""
    found = {}
    for table in engine_base().tables():
        options = {field.name: frozenset(one.name for one in field.options) or None for field in table.fields}
        found[table.name] = {field.name: Field(field.type, options[field.name]) for field in table.fields}
    return found


def of(tables: dict[str, dict[str, Field]]) -> tuple[Miss, ...]:
    return misses(MAPPING, Schema(tables))


def test_the_engines_base_lacks_nothing() -> None:
    assert of(the_engines_base()) == ()


def test_a_missing_table_is_one_miss_for_each_place_that_names_it() -> None:
    tables = the_engines_base()
    del tables["Videos"]
    assert {miss.what for miss in of(tables)} == {"the base has no table 'Videos'"}
    del tables["Jobs"]
    assert of(tables)[0].what == "the base has no table 'Jobs'"


@pytest.mark.parametrize(
    ("table", "field", "hurts", "remedy"),
    [
        ("Jobs", "Status", True, "add a field of that name and type singleSelect to it, or change jobs.status in the mapping"),
        ("Jobs", "History", False, "type singleLineText"),
        ("Videos", "Video + Music", True, "type multipleAttachments"),
        ("Videos", "Video + Music URL", False, "type url"),
        ("Jobs", "Related Video", False, "type multipleRecordLinks"),
    ],
)
def test_a_missing_field_is_named_with_its_type(table: str, field: str, hurts: bool, remedy: str) -> None:
    tables = the_engines_base()
    del tables[table][field]
    found = of(tables)
    assert {(miss.what, miss.hurts) for miss in found} == {(f"table {table!r} has no field {field!r}", hurts)}
    assert all(remedy in miss.remedy for miss in found)


@pytest.mark.parametrize("kind", ["singleLineText", "multilineText", "richText", "url"])
def test_an_address_may_be_in_any_field_that_takes_text(kind: str) -> None:
    tables = the_engines_base()
    tables["Videos"]["Video + Music URL"] = Field(kind)
    assert of(tables) == ()


def test_a_field_of_the_wrong_type_is_a_miss() -> None:
    tables = the_engines_base()
    tables["Segments"]["Video"] = Field("url")
    (miss,) = of(tables)
    assert (miss.where, miss.what) == ("operations.image_zoom.attachment", "field 'Video' of table 'Segments' is of type url")


def test_a_missing_option_is_named() -> None:
    tables = the_engines_base()
    tables["Segments"]["Status"] = Field("singleSelect", frozenset({"combined", "Video Ready", "combination_failed"}))
    (miss,) = of(tables)
    assert miss.what == "field 'Status' of table 'Segments' has no option 'Video Generation Failed'"
    tables["Segments"]["Status"] = Field("singleLineText")
    assert of(tables) == ()


def test_an_attachment_field_that_is_never_written_is_not_missed() -> None:
    tables = the_engines_base()
    del tables["Videos"]["Video + Music"]
    music = replace(MAPPING.operations["add_music"], attach="never")
    without = replace(MAPPING, operations=MappingProxyType({**MAPPING.operations, "add_music": music}))
    assert misses(without, Schema(tables)) == ()
