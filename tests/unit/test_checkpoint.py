"""What a copy writes down survives being written down, is small, and starts anew where it cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.checkpoint import Saved, read, write

saved = st.builds(
    Saved,
    key=st.text(),
    upload_id=st.text(),
    validator=st.text(),
    size=st.integers(0, 2**50),
    part_bytes=st.integers(1, 2**33),
    crc32=st.dictionaries(st.integers(1, 10_000), st.integers(0, 2**32 - 1), max_size=40),
)


@given(saved)
def test_what_was_written_is_read_again(one: Saved) -> None:
    assert read(write(one)) == one


def test_the_largest_file_leaves_room_in_the_ledgers_item() -> None:
    """DynamoDB holds 400 KB an item, of which a kept message may take 150 KB; a job may well have three such files."""
    full = Saved(
        "k" * 230, "u" * 130, '"' + "e" * 64 + '"', 5 * 10**12, 500 * 2**20, dict.fromkeys(range(1, 10_001), 2**32 - 1)
    )
    assert len(write(full)) < 60_000


@pytest.mark.parametrize("text", [None, "", "null", "[]", "{", "{}", '{"v":1}', '{"known":"!","crc32":"!"}', "7"])
def test_what_cannot_be_read_is_nothing(text: str | None) -> None:
    assert read(text) is None


@given(saved, st.data())
def test_a_note_cut_short_is_nothing(one: Saved, data: st.DataObject) -> None:
    text = write(one)
    assert read(text[: data.draw(st.integers(0, len(text) - 1))]) is None
