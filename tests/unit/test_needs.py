"""What doctor says a function needs is what the template grants."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reelkeeper.cli.checkup.rights import NEEDS, Function
from tests.unit.cloudformation import statements


def grants(statement: Mapping[str, Any], action: str, on: str) -> bool:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    name, slash, prefix = on.partition("/")
    text = json.dumps(statement["Resource"])
    place = f"${{{name}.Arn}}/{prefix}*" in text if slash else any(f'"{name}{end}"' in text for end in ("", ".Arn", ".Id"))
    return action in actions and place


@pytest.mark.parametrize("function", NEEDS)
def test_the_template_grants_every_right_that_doctor_asks_for(function: Function) -> None:
    granted = statements(f"{function.title()}Role")
    missing = [
        f"{action} on {on}"
        for on, actions in NEEDS[function].items()
        for action in actions
        if not any(grants(statement, action, on) for statement in granted)
    ]
    assert missing == []
