"""When what was made of the secret is out of date."""

import pytest

from tests.unit.fakes.outside import Fakes


@pytest.mark.parametrize("who", ["airtable", "nca", "bucket", "nca_bucket"])
def test_whoever_refuses_its_key_has_the_secret_read_again(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Fakes().outside()
    assert not outside.outdated
    monkeypatch.setattr(getattr(outside, who), "refused", True)
    assert outside.outdated
