"""How the tests themselves are run."""

import os

import pytest


@pytest.mark.xdist_group("together")
def test_what_shares_a_stack_stays_in_one_worker(request: pytest.FixtureRequest) -> None:
    """xdist keeps a group together by a suffix of the test's id; where pytest does not take it, it says nothing."""
    side_by_side = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@together") is side_by_side


def test_no_id_carries_a_film(request: pytest.FixtureRequest) -> None:
    """Bytes of a parameter become part of a test's id: tens of megabytes of them cost a minute in each worker."""
    assert max(len(item.nodeid) for item in request.session.items) < 1_000
