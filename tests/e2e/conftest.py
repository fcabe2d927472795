"""The deployed stack, started once for all e2e tests: the real template on an emulator with IAM enforced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack
from local.stack import stack as start

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
            # The first test waits for the build and the deployment.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    # Sweeps happen when a test asks for one.
    parameters = {"PollRate": "rate(1 hour)"}
    # Free ports, so that a stack someone has open is left alone.
    with start(port=0, report=print, parameters=parameters) as aws:
        aws.put_secret(airtable_token="patTest.test", nca_api_key="test")
        yield aws
