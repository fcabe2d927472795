"""A copy whose workers are killed at random comes out whole; `make prove-kills` does the same with 200 kills and 1 GiB."""

from pathlib import Path

import pytest

from local.seaweedfs import Store
from tests.integration.killing import prove

pytestmark = pytest.mark.xdist_group("seaweedfs")


@pytest.mark.timeout(600)
def test_a_copy_survives_twenty_kills_and_reads_no_more_again_than_was_in_flight(store: Store, tmp_path: Path) -> None:
    toll = prove(store, tmp_path, mib=96, kills=20, seed=20)
    print(toll)
    assert toll.kills == 20
    assert toll.identical
    assert toll.left == 0
    assert 0 < toll.again <= toll.most
