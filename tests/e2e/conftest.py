"""The deployed stack with its two stand-ins, started once for all e2e tests of a worker: the real template, IAM enforced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.engine import Engine
from local.media import make
from local.stack import Stack
from local.world import World
from local.world import world as start
from tests.e2e.stacks import stack_of

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
            # The first test waits for the build and the deployment.
            item.add_marker(pytest.mark.timeout(600))
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group(stack_of(item.path.name)))
    # It reads what all the others of its stack have written.
    items.sort(key=lambda item: item.path.name == "test_what_was_logged.py")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    # Sweeps happen when a test asks for one.
    parameters = {"PollRate": "rate(1 hour)"}
    # Free ports, so that a stack someone has open is left alone.
    with start(port=0, report=print, parameters=parameters) as everything:
        yield everything


@pytest.fixture(scope="session")
def stack(world: World) -> Stack:
    return world.aws


@pytest.fixture
def engine(world: World) -> Iterator[Engine]:
    """The engine; whatever a test has switched on is off again afterwards."""
    yield Engine(world)
    world.nca.switches.off()
    world.airtable.faults.clear()


@pytest.fixture(scope="session")
def scene(world: World) -> str:
    """The address of a silent video of two seconds, where NCA finds it."""
    return world.nca.put_input("scene.mp4", make.video(seconds=2, hue=0.1))


@pytest.fixture(scope="session")
def voice(world: World) -> str:
    """The address of two seconds of sound."""
    return world.nca.put_input("voice.mp3", make.audio(seconds=2))
