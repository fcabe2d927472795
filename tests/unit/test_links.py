"""A stored request gets fresh links, each the right one, or is not handed in at all."""

import pytest

from reelkeeper.domain.links import Attachment, Dead, attachments_in, refresh

OLD = "https://v5.airtableusercontent.com/v3/u/1/1/1700000000/{}/{}"
FILM = Attachment("attAAAAAAAAAAAAAA", OLD.format("fresh", "film.mp4"), "film.mp4")
VOICE = Attachment("attBBBBBBBBBBBBBB", OLD.format("fresh", "voice.mp3"), "voice.mp3")


def test_each_link_is_replaced_by_the_one_of_its_name_and_everything_else_stays() -> None:
    request = {
        "inputs": [{"file_url": OLD.format("old", "voice.mp3")}, {"file_url": "https://elsewhere.example.com/film.mp4"}],
        "outputs": [{"options": [{"option": "-shortest"}]}],
        "count": 2,
    }
    fresh = refresh(request, [FILM, VOICE])
    assert fresh["inputs"] == [{"file_url": VOICE.url}, {"file_url": "https://elsewhere.example.com/film.mp4"}]
    assert (fresh["outputs"], fresh["count"]) == (request["outputs"], 2)


def test_the_attachments_id_outweighs_its_name() -> None:
    other = Attachment("attCCCCCCCCCCCCCC", OLD.format("other", "film.mp4"), "film.mp4")
    link = "http://127.0.0.1:9/v0/attachments/attAAAAAAAAAAAAAA/17/film.mp4"
    assert refresh(link, [other, FILM]) == FILM.url


@pytest.mark.parametrize("known", [[], [FILM, Attachment("attCCCCCCCCCCCCCC", OLD.format("two", "film.mp4"), "film.mp4")]])
def test_a_link_that_fits_none_or_several_is_not_guessed(known: list[Attachment]) -> None:
    with pytest.raises(Dead, match=r"film\.mp4"):
        refresh({"file_url": OLD.format("old", "film.mp4")}, known)


@pytest.mark.parametrize("value", ["http://[", "not a url", "https://my.example.com/film.mp4", 7, None, True])
def test_what_is_no_link_of_airtables_stays_as_it_is(value: object) -> None:
    assert refresh(value, []) == value


def test_attachments_are_found_in_whatever_field_they_are() -> None:
    fields = {
        "Music": [{"id": "attAAAAAAAAAAAAAA", "url": FILM.url, "filename": "film.mp4", "size": 3}],
        "Name": "x",
        "Links": ["recA"],
        "Odd": [{"id": "attX"}],
    }
    assert attachments_in(fields) == (FILM,)
