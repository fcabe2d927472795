"""`make deploy`: asks for what a stack needs, checks it before anything is made, builds, deploys, fills in the keys, and looks.

    make deploy                                     asks everything
    make deploy ARGS="--stack reelkeeper-prod --profile prod"
    make deploy ARGS="--set AirtableBaseId=app… --set NcaUrl=https://… --yes"
                                                    asks nothing; keys come from the environment, if at all

Keys that the stack does not have yet may come from AIRTABLE_TOKEN, NCA_API_KEY, NCA_BUCKET_ACCESS_KEY and
NCA_BUCKET_SECRET_KEY, SPACES_ACCESS_KEY and SPACES_SECRET_KEY; `reelkeeper rotate` changes those it has. Ends with 0 when all
is well, 1 when the stack is up but `reelkeeper doctor` found something, 2 when nothing could be done.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from reelkeeper.adapters.secret_changes import change_secret, present_secret
from reelkeeper.domain.errors import RetryLater
from scripts.answers import Refused, chosen, keys
from scripts.trials import doubts

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def main() -> int:
    arguments = _arguments()
    stopped = "Stopped. What was deployed stays as it is; run it again to go on."
    return in_a_line(lambda console: deploy(arguments, console), stopped=stopped)


def in_a_line(work: Callable[[Console], int], *, stopped: str) -> int:
    """Do the work with a screen; a refusal is one line and status 2, Ctrl-C says `stopped` and is 130."""
    # Without emoji: rich takes the `:secret:` of an ARN for one.
    console = Console(emoji=False, highlight=False)
    try:
        return work(console)
    except Refused as refusal:
        console.print(f"[red]{refusal}[/]", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print(f"\n{stopped}")
        return 130


def deploy(arguments: argparse.Namespace, console: Console) -> int:
    session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
    account = caller(session)
    console.print(f"Account [bold]{account}[/], region [bold]{session.region_name}[/], stack [bold]{arguments.stack}[/]")
    present = stack(session, arguments.stack)
    values = chosen(arguments, present, console)
    there = {name for name, value in _secret(session, present).items() if value}
    given = keys(values, present["parameters"], there, console, ask=not arguments.yes)
    for line in doubts(values, given, there):
        console.print(f"  [yellow]{line}[/]", soft_wrap=True)
    _show(values, given, console)
    if not arguments.yes and not _yes(console, "Build and deploy this?"):
        raise Refused("Nothing was deployed.")
    _sam(arguments, session, ["build"])
    pairs = [f'{name}="{value}"' for name, value in values.items()]
    rights = ("--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset")
    # Where there is a secret already: functions that start with new settings shall find the keys to them.
    earlier = _fill(session, present, given, console)
    try:
        _sam(arguments, session, ["deploy", "--stack-name", arguments.stack, *rights, "--parameter-overrides", *pairs])
    except Refused:
        # The stack stays as it was, and so must what opens its places.
        _fill(session, present, earlier, console)
        raise
    now = stack(session, arguments.stack)
    outputs = now["outputs"]
    if not present["outputs"]:
        _fill(session, now, given, console)
    if values.get("AlarmEmail", "") not in ("", present["parameters"].get("AlarmEmail")):
        console.print(f"AWS has sent a mail to {values['AlarmEmail']}: confirm it, or no alarm will reach you.")
    console.print("\nGive your engine the WEBHOOK_BASE_URL that this prints (it is a secret):", soft_wrap=True)
    console.print(f"  {outputs['PrintWebhookBaseUrl']}\n", soft_wrap=True, markup=False)
    if arguments.no_doctor:
        return 0
    console.print("A look at everything: reelkeeper doctor")
    place = [*("--stack", arguments.stack), *(("--profile", arguments.profile) if arguments.profile else ())]
    return subprocess.run([str(BIN / "reelkeeper"), "doctor", *place, "--region", session.region_name], check=False).returncode


def named() -> str:
    """The stack that is meant where none is named, as for `reelkeeper`."""
    return os.environ.get("REELKEEPER_STACK") or "reelkeeper"


def caller(session: Any) -> str:
    """Whose account this is; raises Refused without valid credentials or a region."""
    if not session.region_name:
        raise Refused("No region: name one with --region, or set AWS_REGION.")
    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise Refused(
            f"AWS does not know you ({error}). Sign in (aws sso login, aws configure) or name a --profile."
        ) from error


def stack(session: Any, name: str) -> dict[str, dict[str, str]]:
    """The stack's parameters and outputs as they are; empty where there is none."""
    try:
        found = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return {"parameters": {}, "outputs": {}}
        raise Refused(f"The stack {name} cannot be looked at: {error}. It takes the rights of an administrator.") from error
    return {
        "parameters": {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])},
        "outputs": {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
    }


def _yes(console: Console, question: str) -> bool:
    return console.input(f"\n{question} [dim]\\[y/N][/] ").strip().lower() in ("y", "yes")


def _show(values: Mapping[str, str], given: Mapping[str, str], console: Console) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in values.items():
        if value:
            table.add_row(name, value)
    for name in given:
        table.add_row(name, "given, goes into the secret only")
    console.print()
    console.print(table)


def _secret(session: Any, present: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What the stack's secret holds."""
    arn = present["outputs"].get("CredentialsSecretArn")
    try:
        return present_secret(session.client("secretsmanager"), arn) if arn else {}
    except RetryLater:
        # Not to be read by this person: asked for again.
        return {}


def _fill(session: Any, there: Mapping[str, Mapping[str, str]], given: Mapping[str, str], console: Console) -> dict[str, str]:
    """Put keys into the stack's secret, if there is one; returns what was there under their names."""
    arn = there["outputs"].get("CredentialsSecretArn")
    if not arn or not given:
        return {}
    earlier = _secret(session, there)
    change_secret(session.client("secretsmanager"), arn, given)
    console.print("The keys are in the stack's secret.")
    return {name: earlier.get(name, "") for name in given}


def _sam(arguments: argparse.Namespace, session: Any, command: list[str]) -> None:
    place = [*("--region", session.region_name), *(("--profile", arguments.profile) if arguments.profile else ())]
    # The Python that sam finds first must be the template's; this one has pip.
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "SAM_CLI_TELEMETRY": "0"}
    if subprocess.run([str(BIN / "sam"), *command, *place], cwd=ROOT, env=environ, check=False).returncode:
        raise Refused(f"sam {command[0]} failed; its message is above. Nothing is lost: mend it and run this again.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make deploy ARGS=…", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", default=named(), help="the stack's name (%(default)s)")
    parser.add_argument("--profile", help="an AWS profile; without it AWS_PROFILE or the keys in the environment")
    parser.add_argument("--region", help="an AWS region; without it the profile's or AWS_REGION")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the template; may be repeated"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--no-doctor", action="store_true", help="do not look whether all works afterwards")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
