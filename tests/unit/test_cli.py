"""The command line itself: statuses, one line for every known error, and what may import it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError, ProfileNotFound

from reelkeeper.cli.app import COMMANDS, COULD_NOT_RUN, run
from reelkeeper.cli.faults import explain
from reelkeeper.cli.place import NoStack
from reelkeeper.cli.screen import NotConfirmed, Screen
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.settings import ConfigurationError

ROOT = Path(__file__).parents[2]


def denied(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "…"}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (denied("ExpiredTokenException"), "sign in again"),
        (denied("InvalidClientTokenId"), "sign in again"),
        (denied("AccessDeniedException"), "--profile"),
        (denied("SomethingElse"), "SomethingElse"),
        (NoCredentialsError(), "--profile"),
        (NoRegionError(), "--region"),
        (ProfileNotFound(profile="x"), "list-profiles"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "make stack"),
        (NoStack("no stack; name yours"), "name yours"),
        (NotConfirmed("add --yes"), "--yes"),
        (ConfigurationError("X is not set"), "X is not set"),
        (RetryLater("the ledger did not answer"), "doctor"),
        (Refused("put the right key into the secret"), "into the secret"),
    ],
)
def test_every_known_error_is_one_line_with_its_remedy(error: Exception, remedy: str) -> None:
    line = explain(error)
    assert line is not None
    assert remedy in line
    assert "\n" not in line


def test_an_adapters_error_is_explained_by_what_aws_said() -> None:
    error = RetryLater("the ledger did not answer")
    error.__cause__ = denied("ExpiredToken")
    assert "sign in again" in str(explain(error))


def test_what_nobody_knows_is_not_explained_away() -> None:
    assert explain(KeyError("x")) is None


@pytest.mark.parametrize("tokens", [["nonsense"], ["--nonsense"], ["--stack"]])
def test_what_cannot_be_understood_is_one_line_and_status_2(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tokens) == COULD_NOT_RUN
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "reelkeeper --help" in printed.err


def test_help_is_quick_for_it_imports_neither_boto3_nor_any_command() -> None:
    look = "import sys; from reelkeeper.cli.app import run; run(['--help']); sys.exit(' '.join(sys.modules))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
    assert "--stack" in found.stdout
    modules = set(found.stderr.split())
    assert "reelkeeper.cli.place" in modules
    assert not {name for name in modules if name.startswith(("boto", "reelkeeper.services", "reelkeeper.adapters"))}
    commands = {f"reelkeeper.cli.{command.where.partition(':')[0]}" for command in COMMANDS}
    assert not modules & commands


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(NotConfirmed, match="--yes"):
        Screen().confirm("Go on?", yes=False)
    assert Screen().confirm("Go on?", yes=True)


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_no_function_imports_the_command() -> None:
    handlers = sorted((ROOT / "functions").glob("*/app.py"))
    assert len(handlers) == 3
    names = {name.split(".")[0:2][-1] for handler in handlers for name in imported(handler)}
    assert not names & {"cli", "cyclopts", "rich"}


def test_a_long_list_is_cut_and_says_how_much_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"job-{number}",) for number in range(5)]
    Screen().some(("job",), rows, most=3)
    assert capsys.readouterr().out.split() == ["job", "job-0", "job-1", "job-2", "…", "and", "2", "more"]
    Screen().some(("job",), rows, most=5)
    assert "more" not in capsys.readouterr().out


def test_an_arn_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich takes the `:secret:` in it for an emoji unless it is told not to."""
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:reelkeeper"
    screen = Screen()
    screen.say(arn)
    screen.table(("what",), ((arn,),))
    screen.problem(arn)
    shown = capsys.readouterr()
    assert shown.out.count(arn) == 2
    assert arn in shown.err
