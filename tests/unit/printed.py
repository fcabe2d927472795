"""What the code under test has counted, read from the lines it prints as CloudWatch reads them."""

import json
from typing import Any

import pytest

from reelkeeper.telemetry import flush


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the embedded metric format."""
    flush()
    return [line for text in capsys.readouterr().out.splitlines() if "_aws" in (line := json.loads(text))]


def counts(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The sum of each metric, with its dimension's value behind it if it has one."""
    sums: dict[str, float] = {}
    for line in printed(capsys):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        more = [line[name] for name in directive["Dimensions"][-1] if name != "service"]
        for one in directive["Metrics"]:
            name = " ".join([one["Name"], *more])
            sums[name] = sums.get(name, 0) + sum(line[one["Name"]])
    return sums
