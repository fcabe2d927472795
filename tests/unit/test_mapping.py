"""The mapping: the built-in one reads, and each mistake in another gets one line with the key and the remedy."""

from importlib.resources import files

import pytest

from reelkeeper.domain.mapping import MappingError, Target, read_mapping

JOBS = '[jobs]\ntable = "Jobs"\nstatus = "Status"\nexternal_id = "External Job ID"\n'
COMBINE = JOBS + '[operations.combine]\ntable = "Segments"\nattachment = "Video"\n'


def test_the_built_in_mapping_is_that_of_the_engine() -> None:
    mapping = read_mapping(files("reelkeeper").joinpath("mapping.toml").read_text(encoding="utf-8"))
    assert set(mapping.operations) == {"combine", "image_zoom", "concatenate", "add_music"}
    assert (mapping.jobs.table, mapping.jobs.external_id) == ("Jobs", "External Job ID")
    combine = mapping.operations["combine"]
    assert (combine.table, combine.attachment, combine.link) == ("Segments", "Voiceover + Video", "Related Segment Video")
    assert (combine.success, combine.failure, combine.payload) == (
        "combined",
        "combination_failed",
        ("segment_id", "record_id"),
    )
    # Videos have no status.
    assert {mapping.operations[name].status for name in ("concatenate", "add_music")} == {""}


def test_what_may_be_left_out_has_its_default() -> None:
    mapping = read_mapping(COMBINE)
    assert mapping.operations == {"combine": Target(table="Segments", attachment="Video")}
    assert (mapping.jobs.completed, mapping.jobs.failed, mapping.jobs.request) == ("completed", "failed", "")


def test_a_base_may_have_no_operations() -> None:
    assert read_mapping(JOBS).operations == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[jobs", "mapping: not valid TOML: Expected ']'"),
        (JOBS + 'table = "Again"\n', "mapping: not valid TOML: Cannot overwrite a value"),
        ("", "mapping: jobs.table is missing; write the name of the Airtable table there"),
        ('[jobs]\ntable = ""\n', "mapping: jobs.table is missing; write the name of the Airtable table there"),
        (JOBS.replace("status", "state"), "mapping: jobs has no key 'state'; it may have completed, error, external_id"),
        ('jobs = "Jobs"', "mapping: jobs must be a section, written as [jobs]"),
        ("[[jobs]]", "mapping: jobs must be a section, written as [jobs]"),
        (JOBS + "[operation.combine]\n", "mapping: mapping has no key 'operation'; it may have jobs, operations"),
        ("operations = 3\n" + JOBS, "mapping: operations must be sections such as [operations.combine]"),
        (
            "[operations]\ncombine = 3\n" + JOBS,
            "mapping: operations.combine must be a section, written as [operations.combine]",
        ),
        (
            COMBINE.replace('attachment = "Video"', ""),
            "mapping: operations.combine.attachment is missing; write the name of the",
        ),
        (COMBINE + "url = 3\n", "mapping: operations.combine.url must be text in quotes"),
        (COMBINE + 'payload = "id"\n', 'mapping: operations.combine.payload must be a list of keys, such as ["record_id"]'),
        (COMBINE + "payload = [1]\n", 'mapping: operations.combine.payload must be a list of keys, such as ["record_id"]'),
        (
            COMBINE + 'webhook = "x"\n',
            "mapping: operations.combine has no key 'webhook'; it may have attach, attach_below_mb, attachment, failure, link",
        ),
    ],
)
def test_a_mistake_gets_one_line_with_the_key_and_the_remedy(text: str, said: str) -> None:
    with pytest.raises(MappingError) as caught:
        read_mapping(text)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
