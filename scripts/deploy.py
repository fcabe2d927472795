"""`make deploy`: asks for what a stack needs, checks it before anything is made, builds, deploys, fills in the keys, and looks.

    make deploy                                     asks everything
    make deploy ARGS="--stack reelkeeper-prod --profile prod"
    make deploy ARGS="--set AirtableBaseId=app… --set NcaUrl=https://… --yes"
                                                    asks nothing; keys come from AIRTABLE_TOKEN and NCA_API_KEY, if at all

What each parameter means and how it must look is read from template.yaml. Ends with 0 when all is well, 1 when the stack
is up but `reelkeeper doctor` found something, 2 when nothing could be done.
"""

import argparse
import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import requests
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
# What nobody else can know; all the others have defaults that suit most, and `--set`.
ASKED = ("AirtableBaseId", "NcaUrl", "SourceHosts", "AlarmEmail")
KEYS = {
    "airtable_token": (
        "AIRTABLE_TOKEN",
        "An Airtable personal access token with data.records:read and data.records:write on that base.",
    ),
    "nca_api_key": ("NCA_API_KEY", "The key your NCA Toolkit wants as x-api-key."),
}
TIMEOUT_S = 20


class Refused(Exception):
    """Nothing was done; the message is one line with the remedy."""


class _Loader(yaml.SafeLoader):
    """Reads the template's plain parts; what CloudFormation computes is of no interest here."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def parameters() -> dict[str, dict[str, Any]]:
    """The template's parameters as it declares them."""
    found: dict[str, dict[str, Any]] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)["Parameters"]
    return found


def wrong(name: str, value: str, declared: Mapping[str, Any]) -> str | None:
    """What is wrong with a value, in the template's own words; None where it will do."""
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return f"{name} must be one of: {', '.join(map(str, declared['AllowedValues']))}"
    if not re.fullmatch(declared.get("AllowedPattern", r"(?s).*"), value):
        return f"{name} {declared.get('ConstraintDescription', 'does not look right.')}"
    if declared["Type"] == "Number" and not value.isdecimal():
        return f"{name} must be a whole number."
    return None


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
    keys = secrets(arguments, session, present, console)
    for line in doubts(values, keys):
        console.print(f"  [yellow]{line}[/]", soft_wrap=True)
    _show(values, keys, console)
    if not arguments.yes and not _yes(console, "Build and deploy this?"):
        raise Refused("Nothing was deployed.")
    _sam(arguments, session, ["build"])
    pairs = [f'{name}="{value}"' for name, value in values.items()]
    rights = ("--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset")
    _sam(arguments, session, ["deploy", "--stack-name", arguments.stack, *rights, "--parameter-overrides", *pairs])
    outputs = stack(session, arguments.stack)["outputs"]
    if keys:
        _fill(session, outputs["CredentialsSecretArn"], keys)
        console.print("The keys are in the stack's secret.")
    if values.get("AlarmEmail"):
        console.print(f"AWS has sent a mail to {values['AlarmEmail']}: confirm it, or no alarm will reach you.")
    console.print("\nGive your engine the WEBHOOK_BASE_URL that this prints (it is a secret):", soft_wrap=True)
    console.print(f"  {outputs['PrintWebhookBaseUrl']}\n", soft_wrap=True, markup=False)
    if arguments.no_doctor:
        return 0
    console.print("A look at everything: reelkeeper doctor")
    place = [*("--stack", arguments.stack), *(("--profile", arguments.profile) if arguments.profile else ())]
    return subprocess.run([str(BIN / "reelkeeper"), "doctor", *place, "--region", session.region_name], check=False).returncode


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


def chosen(arguments: argparse.Namespace, present: Mapping[str, Mapping[str, str]], console: Console) -> dict[str, str]:
    """The parameters to deploy with: given, in force, or asked for; raises Refused for one that will not do."""
    declared = parameters()
    given = dict(pair.split("=", 1) for pair in arguments.set if "=" in pair)
    for name, value in given.items():
        if name not in declared:
            raise Refused(f"There is no parameter {name}; docs/configuration.md lists them all.")
        if fault := wrong(name, value, declared[name]):
            raise Refused(fault)
    values = {name: value for name, value in present["parameters"].items() if name in declared} | given
    for name in ASKED:
        default = values.get(name, str(declared[name].get("Default", "")))
        if name in given or arguments.yes:
            if fault := wrong(name, default, declared[name]):
                raise Refused(f"{fault} Give it with --set {name}=…")
            values[name] = default
        else:
            values[name] = _ask(console, name, default, declared[name])
    return values


def secrets(
    arguments: argparse.Namespace, session: Any, present: Mapping[str, Mapping[str, str]], console: Console
) -> dict[str, str]:
    """The keys to put into the stack's secret: from the environment, else asked for unless they are there."""
    there = _filled(session, present["outputs"].get("CredentialsSecretArn"))
    keys = {}
    for name, (variable, what) in KEYS.items():
        if os.environ.get(variable):
            keys[name] = os.environ[variable]
        elif name not in there and not arguments.yes:
            console.print(f"\n[bold]{name}[/]  {what} Empty: later.", soft_wrap=True)
            keys[name] = getpass.getpass("  not shown: ").strip()
    return {name: value for name, value in keys.items() if value}


def doubts(values: Mapping[str, str], keys: Mapping[str, str]) -> list[str]:
    """What Airtable and NCA say of the answers; raises Refused where they say that it will not work."""
    found = []
    base, token = values["AirtableBaseId"], keys.get("airtable_token")
    if token:
        url = f"{values.get('AirtableEndpoint') or 'https://api.airtable.com'}/v0/{base}/Jobs"
        status = _status("GET", url, {"authorization": f"Bearer {token}"})
        if status == 401:
            raise Refused("Airtable refuses the token: make one at airtable.com/create/tokens and give it again.")
        if status == 403:
            raise Refused(f"Airtable shows this token no base {base}: check the id, and add the base to the token.")
        if status != 200:
            found.append(
                f"Airtable answers {status or 'nothing'} for table Jobs of {base}; reelkeeper check airtable says more later."
            )
    if values.get("NcaUrl"):
        headers = {"x-api-key": keys["nca_api_key"]} if "nca_api_key" in keys else {}
        # It knows no such job, and says so only to who has the key.
        status = _status("POST", f"{values['NcaUrl'].rstrip('/')}/v1/toolkit/job/status", headers)
        if status == 401 and headers:
            raise Refused("NCA refuses the key: give the API_KEY that NCA itself runs with.")
        if status is None:
            found.append(
                f"NCA does not answer at {values['NcaUrl']} from here; the poller must reach it to find lost callbacks."
            )
    else:
        found.append("Without NcaUrl a job whose callback is lost cannot be found again.")
    if not values.get("AlarmEmail"):
        found.append("Without AlarmEmail nobody is told when a person must act.")
    return found


def _status(method: str, url: str, headers: Mapping[str, str]) -> int | None:
    asked: dict[str, Any] = {"params": {"maxRecords": 1}} if method == "GET" else {"json": {"job_id": "reelkeeper-deploys"}}
    try:
        return requests.request(method, url, headers=dict(headers), timeout=TIMEOUT_S, **asked).status_code
    except requests.RequestException:
        return None


def _ask(console: Console, name: str, default: str, declared: Mapping[str, Any]) -> str:
    console.print(f"\n[bold]{name}[/]  {declared['Description']}", soft_wrap=True)
    while True:
        answer = console.input(f"  [dim]\\[{default}][/] " if default else "  ").strip() or default
        fault = wrong(name, answer, declared)
        if fault is None:
            return answer
        console.print(f"  [red]{fault}[/]", soft_wrap=True)


def _yes(console: Console, question: str) -> bool:
    return console.input(f"\n{question} [dim]\\[y/N][/] ").strip().lower() in ("y", "yes")


def _show(values: Mapping[str, str], keys: Mapping[str, str], console: Console) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in values.items():
        if value:
            table.add_row(name, value)
    for name in keys:
        table.add_row(name, "given, goes into the secret only")
    console.print()
    console.print(table)


def _filled(session: Any, arn: str | None) -> dict[str, str]:
    if arn is None:
        return {}
    try:
        value: dict[str, str] = json.loads(session.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    except (BotoCoreError, ClientError, ValueError, KeyError):
        # Never filled in, or not to be read by this person: asked for again.
        return {}
    return value


def _fill(session: Any, arn: str, keys: Mapping[str, str]) -> None:
    text = json.dumps({**_filled(session, arn), **keys})
    session.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)


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
    parser.add_argument("--stack", default="reelkeeper", help="the stack's name (%(default)s)")
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
