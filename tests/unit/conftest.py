"""How long Hypothesis may look (a second or so a test here, the same examples every time in CI), and a line for each test."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.line import Line

settings.register_profile("here", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def line() -> Line:
    return Line()
