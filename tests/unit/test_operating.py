"""docs/operating.md: a section for every alarm with the alarm's own command, and outputs that the command really gives."""

import re

import pytest

from tests.unit.cloudformation import ROOT, resource
from tests.unit.test_alarms import ALARMS

TEXT = (ROOT / "docs" / "operating.md").read_text()
SHOWN = re.findall(r"<!-- ([a-z-]+) -->\n```\n\$ (reelkeeper [^\n]+)\n(.*?)\n```", TEXT, re.DOTALL)


def section(heading: str) -> str:
    """What stands under a heading of the third degree."""
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_has_a_section_with_the_command_its_mail_names(name: str) -> None:
    alarm = resource(name)
    heading = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
    command = alarm["AlarmDescription"].rpartition("Run: ")[2]
    assert command in section(heading)


@pytest.mark.parametrize(("name", "command", "output"), SHOWN, ids=[name for name, *_ in SHOWN])
def test_a_shown_output_is_the_one_the_command_gave(name: str, command: str, output: str) -> None:
    assert output == (ROOT / "tests" / "golden" / f"{name}.txt").read_text().rstrip("\n")


def test_there_are_outputs_to_compare() -> None:
    assert len(SHOWN) >= 12


@pytest.mark.parametrize(
    "question",
    [
        "Which jobs are stuck?",
        "What happened to this one?",
        "What does NCA say?",
        "Does NCA reach my webhook?",
        "Are the fields right?",
        "Recover this one",
        "Recover all",
        "Upgrade",
        "Rotate the webhook's token",
        "Rotate the keys",
        "Move to another bucket",
        "Delete the stack",
    ],
)
def test_every_question_of_an_operator_has_a_section(question: str) -> None:
    assert re.search(r"reelkeeper|`trace`|make (deploy|destroy)", section(question))
