"""The command line: which commands there are, the options they share, and the one place where an error becomes a line.

A command is a function in a module of this package, named in `COMMANDS`; it is imported when it is called, so that
`reelkeeper --help` and a command that needs no AWS start quickly. One that works on a stack has a keyword-only parameter
`place: Here`. It returns its exit status, or None for 0.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from cyclopts import App, CycloptsError, Group, Parameter

from reelkeeper.cli import examples
from reelkeeper.cli.faults import explain
from reelkeeper.cli.place import Place
from reelkeeper.cli.screen import Screen

# What scripts may rely on; `doctor`, `check` and `report` answer 1 where they ran and found something wrong.
GOOD, FOUND_WRONG, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it is called, where it is (`module:function` in this package), its line in --help, its group.

    `examples` follow that line in the command's own --help.
    """

    name: str
    where: str
    help: str
    group: Group
    examples: str = ""


LOOK, ACT, FILES, OWN = (
    Group(title, sort_key=place) for place, title in enumerate(("See what is", "Set it right", "Files", "This command"))
)
# One line each, so that adding one disturbs nobody.
COMMANDS: tuple[Command, ...] = (
    Command("jobs", "jobs:jobs", "List jobs: open, stuck, or by state, operation, age or row.", LOOK, examples.JOBS),
    Command("trace", "trace:trace", "Everything that is known of one job, in one timeline.", LOOK, examples.TRACE),
    Command("doctor", "doctor:doctor", "Does everything work that has to? Each check with its remedy.", LOOK, examples.DOCTOR),
    Command(
        "report", "report:report", "Everything NCA finished is kept: the account, with its exceptions.", LOOK, examples.REPORT
    ),
    Command("check", "check:check", "Is Airtable's base right? Why do files vanish?", LOOK, examples.CHECK),
    Command("inbox", "inbox:inbox", "The callbacks that wait in the bucket's inbox.", LOOK, examples.INBOX),
    Command("recover", "recover:recover", "Go after jobs that are stuck, now.", ACT, examples.RECOVER),
    Command("resubmit", "resubmit:resubmit", "Have NCA make again what failed or was lost.", ACT, examples.RESUBMIT),
    Command("replay", "replay:replay", "Send a callback that was kept in again.", ACT, examples.REPLAY),
    Command("redrive", "redrive:redrive", "Send dead letters in again, by their reasons.", ACT, examples.REDRIVE),
    Command("rotate", "rotate:rotate", "Another token for the webhook, or other keys.", ACT, examples.ROTATE),
    Command("backfill", "backfill:backfill", "Keep what was in Airtable before Reelkeeper was.", ACT, examples.BACKFILL),
    Command("copy", "copy:copy", "Copy any URL into a bucket, in parallel and checked.", FILES, examples.COPY),
)

HELP = """Keeps what NCA makes: looks into a deployed Reelkeeper and sets right what went wrong.

Works on AWS and on the local stack alike (`make stack`, then `--stack reelkeeper-local --endpoint-url http://127.0.0.1:4566`)."""
EPILOGUE = "Exit status: 0 good; 1 it ran and found something wrong; 2 it could not run; 130 interrupted."


def build() -> App:
    """The app with every command registered and none imported."""
    app = App(
        name="reelkeeper",
        help=HELP,
        help_epilogue=EPILOGUE,
        version=_version,
        help_format="markdown",
        result_action="return_value",
        default_parameter=Parameter(negative=()),
        # Ours to say what an interruption leaves behind.
        suppress_keyboard_interrupt=False,
    )
    app.meta.suppress_keyboard_interrupt = False
    app["--help"].group = app["--version"].group = OWN
    for command in COMMANDS:
        text = f"{command.help}\n\n{command.examples}".strip()
        app.command(f"reelkeeper.cli.{command.where}", name=command.name, help=text, group=command.group)
    app.register_install_completion_command(name="completion", help="Install completion for your shell.", group=OWN)
    app.meta.default(_launcher(app))
    return app


def run(tokens: Sequence[str]) -> int:
    """Run one command line and return the exit status; every known error is one line with its remedy."""
    screen = Screen()
    try:
        status = build().meta(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except KeyboardInterrupt:
        screen.problem("Interrupted. What was done is done, nothing is half done; the same command carries on.")
        return INTERRUPTED
    except CycloptsError as error:
        screen.problem(f"{_one_line(error)} Try: reelkeeper --help")
        return COULD_NOT_RUN
    except Exception as error:  # noqa: BLE001 - the outermost place: what is not known is a fault of ours and shown whole
        line = explain(error)
        if line is None:
            traceback.print_exc()
            line = "This is a fault in reelkeeper itself; please report it with the lines above."
        screen.problem(line)
        return COULD_NOT_RUN
    finally:
        sys.stdout.flush()
    return status if isinstance(status, int) else GOOD


def _launcher(app: App) -> Callable[..., object]:
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        stack: Annotated[str, Parameter(env_var="REELKEEPER_STACK", group="Which Reelkeeper")] = "reelkeeper",
        profile: Annotated[str | None, Parameter(group="Which Reelkeeper")] = None,
        region: Annotated[str | None, Parameter(group="Which Reelkeeper")] = None,
        endpoint_url: Annotated[str | None, Parameter(env_var="AWS_ENDPOINT_URL", group="Which Reelkeeper")] = None,
    ) -> object:
        """Call the command with the place it works on.

        Parameters
        ----------
        stack
            The name under which it was deployed.
        profile
            The AWS profile to use; as the AWS CLI does, without it AWS_PROFILE or the keys in the environment.
        region
            The AWS region of the stack; without it the profile's or AWS_REGION.
        endpoint_url
            Where AWS answers instead of its own addresses: the local stack.
        """
        command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
        more = {"place": Place(stack=stack, profile=profile, region=region, endpoint_url=endpoint_url)} if ignored else {}
        return cast(object, command(*bound.args, **bound.kwargs, **more))

    return launch


def _one_line(error: CycloptsError) -> str:
    return " ".join(str(error).split())


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 40 ms, and only for --version

    try:
        return version("reelkeeper")
    except PackageNotFoundError:
        return "not installed"
