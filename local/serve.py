"""`make stack`: the local stack with its stand-ins, kept until Ctrl-C, and everything one needs to look into it."""

import argparse
import json
import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from urllib.parse import urlsplit

from rich.console import Console
from rich.status import Status
from rich.table import Table

from local import build
from local.ports import Report
from local.process import CommandFailed
from local.stack import GATEWAY_PORT, ROOT_KEYS, Stack, StackFailed
from local.world import World, world

ENV_TEMPLATE = build.ROOT / "env.json"
TOKEN_MARK = "put-the-token-here"


def main() -> int:
    """Serve until a signal; 0 when all went well, 1 with one clear line when not."""
    arguments = _arguments()
    console = Console(emoji=False, stderr=True, highlight=False)
    stopped = threading.Event()
    try:
        with ExitStack() as everything:
            # A person's `kill` is to leave as little behind as Ctrl-C.
            signal.signal(signal.SIGTERM, _interrupt)
            steps = everything.enter_context(console.status("Starting"))
            here = everything.enter_context(
                world(report=_reporter(console, steps), port=arguments.port, exposed=arguments.exposed)
            )
            aws = here.aws
            write_for_sam_local_invoke(aws)
            steps.stop()
            _introduce(console, here)
            stopped.wait()
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running")
        return 0
    except (StackFailed, CommandFailed) as error:
        console.print(f"[red]{error}")
        return 1
    return 0


def env_json(aws: Stack) -> dict[str, dict[str, str]]:
    """For `sam local invoke`: each function's own environment, as a container sees it.

    The repository's env.json names this machine as the container engine does; an address of loopback would mean the
    container itself, and everything here that it is to reach is called by that name instead.
    """
    template = json.loads(ENV_TEMPLATE.read_text())
    seen = {}
    for name, wanted in template.items():
        host = urlsplit(wanted["AWS_ENDPOINT_URL"]).hostname or "localhost"
        deployed = aws.client("lambda").get_function_configuration(FunctionName=aws.outputs[f"{name}Name"])
        variables = {**deployed["Environment"]["Variables"], **wanted, "AWS_ENDPOINT_URL": aws.endpoint}
        seen[name] = {key: value.replace("127.0.0.1", host).replace("localhost", host) for key, value in variables.items()}
    return seen


def events(aws: Stack) -> dict[str, str]:
    """The repository's events by file name, with this stack's token where they leave it open."""
    token = aws.webhook_base_url().rpartition("/")[2]
    return {path.name: path.read_text().replace(TOKEN_MARK, token) for path in (build.ROOT / "events").glob("*.json")}


def write_for_sam_local_invoke(aws: Stack) -> None:
    """What docs/sam-local-invoke.md uses, in the stack's folder: `env.json`, `events/`, a `samconfig.toml` that knows them."""
    environment = aws.folder / "env.json"
    environment.write_text(json.dumps(env_json(aws), indent=2))
    (aws.folder / "events").mkdir(exist_ok=True)
    for name, text in events(aws).items():
        (aws.folder / "events" / name).write_text(text)
    # The parameter must be set for its variable to be declared at all; env.json then says where AWS answers.
    overrides = [
        f"{name}={value}" for name, value in {**build.configured(), **build.machine(), "AwsEndpoint": aws.endpoint}.items()
    ]
    settings = {
        "template_file": str(build.BUILD / "template.yaml"),
        "env_vars": str(environment),
        "parameter_overrides": overrides,
        "skip_pull_image": True,
    }
    # JSON's strings, lists and booleans are TOML's.
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (aws.folder / "samconfig.toml").write_text("\n".join(["version = 0.1", "[default.local_invoke.parameters]", *lines, ""]))


def _introduce(console: Console, here: World) -> None:
    aws = here.aws
    table = Table(title="Reelkeeper, on this machine", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("AWS", aws.endpoint)
    table.add_row("WEBHOOK_BASE_URL", aws.webhook_base_url())
    table.add_row("Permanent addresses", f"{aws.media_address}/outputs/…")
    table.add_row("NCA", f"{here.nca.address} (x-api-key: {here.nca.api_key})")
    table.add_row("Airtable", f"{here.airtable.address} (token: {here.airtable.token}, base: {here.airtable.base_id})")
    for what in ("BucketName", "LedgerTable", "QueueUrl", "DeadLetterQueueUrl"):
        table.add_row(what, aws.outputs[what])
    table.add_row("Logs", str((aws.folder / "emulator.log").relative_to(build.ROOT)))
    table.add_row("For sam local invoke", str((aws.folder / "env.json").relative_to(build.ROOT)))
    console.print(table)
    keys = " ".join(f"{name}={value}" for name, value in ROOT_KEYS.items())
    console.print(f"Look around with the AWS CLI:\n  export {keys}", soft_wrap=True)
    console.print(f"  aws --endpoint-url {aws.endpoint} s3 ls s3://{aws.bucket}/outputs/ --recursive", soft_wrap=True)
    console.print(f"  aws --endpoint-url {aws.endpoint} dynamodb scan --table-name {aws.table}", soft_wrap=True)
    console.print(f"  aws --endpoint-url {aws.endpoint} logs tail /aws/lambda/{aws.function('persist')}", soft_wrap=True)
    console.print("Ctrl-C stops everything.")


def _reporter(console: Console, steps: Status) -> Report:
    """Each step is left on the screen, the present one turning."""

    def report(step: str) -> None:
        console.print(f"  {step}")
        steps.update(step)

    return report


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=GATEWAY_PORT, help="where AWS answers; 0 takes a free one (%(default)s)")
    parser.add_argument("--exposed", action="store_true", help="answer on every address of this machine, as containers need")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
