"""Which URLs name an object of the store we write to, in every form its address may have, and which only look like it."""

import pytest

from reelkeeper.domain.stores import Neighbours, Place

SPACES = Neighbours(
    "https://nyc3.digitaloceanspaces.com",
    frozenset({"made", "made.films"}),
    {"cdn.example.com": "made", "localhost:9000": "made"},
)
AWS = Neighbours("", frozenset({"made", "made.films"}), {})
WEED = Neighbours("http://127.0.0.1:8333", frozenset({"made"}), {})


@pytest.mark.parametrize(
    ("neighbours", "url"),
    [
        (SPACES, "https://nyc3.digitaloceanspaces.com/made/a/b c.mp4"),
        (SPACES, "https://nyc3.digitaloceanspaces.com/made/a/b%20c.mp4"),
        (SPACES, "https://NYC3.digitaloceanspaces.com:443/made/a/b%20c.mp4?X-Amz-Signature=x"),
        (SPACES, "https://made.nyc3.digitaloceanspaces.com/a/b%20c.mp4"),
        (SPACES, "https://cdn.example.com/a/b%20c.mp4"),
        (SPACES, "http://localhost:9000/a/b%20c.mp4"),
        (WEED, "http://127.0.0.1:8333/made/a/b%20c.mp4"),
        (AWS, "https://s3.amazonaws.com/made/a/b%20c.mp4"),
        (AWS, "https://s3.eu-west-1.amazonaws.com/made/a/b%20c.mp4"),
        (AWS, "https://s3-eu-west-1.amazonaws.com/made/a/b%20c.mp4"),
        (AWS, "https://s3.dualstack.eu-west-1.amazonaws.com/made/a/b%20c.mp4"),
        (AWS, "https://made.s3.amazonaws.com/a/b%20c.mp4"),
        (AWS, "https://made.s3.eu-west-1.amazonaws.com/a/b%20c.mp4"),
    ],
)
def test_every_form_of_an_address_names_the_object(neighbours: Neighbours, url: str) -> None:
    assert neighbours.find(url) == Place("made", "a/b c.mp4")


@pytest.mark.parametrize("neighbours", [SPACES, AWS])
def test_a_bucket_with_a_dot_is_found_in_a_host_name(neighbours: Neighbours) -> None:
    host = "nyc3.digitaloceanspaces.com" if neighbours is SPACES else "s3.amazonaws.com"
    assert neighbours.find(f"https://made.films.{host}/a.mp4") == Place("made.films", "a.mp4")


def test_the_engines_own_form_has_the_bucket_twice() -> None:
    """Seen in the engine's code: the bucket in the host name and once more as the key's first step."""
    found = SPACES.find("https://made.nyc3.digitaloceanspaces.com/made/job_output_0.mp4")
    assert found == Place("made", "made/job_output_0.mp4")


@pytest.mark.parametrize(
    ("neighbours", "url"),
    [
        (SPACES, "https://nyc3.digitaloceanspaces.com/other/a.mp4"),
        (SPACES, "https://other.nyc3.digitaloceanspaces.com/a.mp4"),
        (SPACES, "https://made.ams3.digitaloceanspaces.com/a.mp4"),
        (SPACES, "https://made.nyc3.digitaloceanspaces.com.example.com/a.mp4"),
        (SPACES, "https://evil-made.nyc3.digitaloceanspaces.com/a.mp4"),
        (SPACES, "https://nyc3.digitaloceanspaces.com/made"),
        (SPACES, "https://nyc3.digitaloceanspaces.com/made/"),
        (SPACES, "https://nyc3.digitaloceanspaces.com/made/../other/a.mp4"),
        (SPACES, "https://nyc3.digitaloceanspaces.com/made/%2e%2e/other/a.mp4"),
        (SPACES, "https://made.s3.amazonaws.com/a.mp4"),
        (SPACES, "https://localhost/a.mp4"),
        (AWS, "https://made.nyc3.digitaloceanspaces.com/a.mp4"),
        (AWS, "https://s3.amazonaws.com.example.com/made/a.mp4"),
        (AWS, "https://other.s3.amazonaws.com/a.mp4"),
        (WEED, "http://127.0.0.1:9999/made/a.mp4"),
        (Neighbours(), "https://made.s3.amazonaws.com/a.mp4"),
    ],
)
def test_anything_else_is_somebody_elses(neighbours: Neighbours, url: str) -> None:
    assert neighbours.find(url) is None
