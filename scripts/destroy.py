"""`make destroy`: deletes the stack, keeps every file, its address and the ledger, and says so before and after."""

import argparse
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from rich.console import Console

from scripts.answers import Refused
from scripts.deploy import caller, in_a_line, named, stack

KEPT = {
    "BucketName": "the stack's own bucket with every file that was kept there (S3)",
    "DistributionDomainName": "the permanent addresses (CloudFront)",
    "LedgerTable": "every job's account (DynamoDB)",
}


def main() -> int:
    arguments = _arguments()
    return in_a_line(lambda console: destroy(arguments, console), stopped="Stopped.")


def destroy(arguments: argparse.Namespace, console: Console) -> int:
    session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
    account = caller(session)
    outputs = stack(session, arguments.stack)["outputs"]
    if not outputs:
        raise Refused(f"There is no stack {arguments.stack} in {session.region_name}; name yours with --stack.")
    console.print(
        f"This deletes the stack [bold]{arguments.stack}[/] in {session.region_name}, account {account}:", soft_wrap=True
    )
    console.print("  the webhook's address and token, the functions, the queues with what is in them, the keys, the alarms.")
    _list_kept(outputs, console, "It keeps, and goes on costing their storage:")
    _warn_of_work(session, outputs, console)
    if not arguments.yes and console.input("\nType the stack's name to delete it: ").strip() != arguments.stack:
        raise Refused("Nothing was deleted.")
    client = session.client("cloudformation")
    client.delete_stack(StackName=arguments.stack)
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=arguments.stack, WaiterConfig={"Delay": 5, "MaxAttempts": 240}
        )
    except WaiterError as error:
        raise Refused(f"The stack is not gone: {error}. CloudFormation's events say why; run this again.") from error
    console.print(f"\nThe stack {arguments.stack} is gone.")
    _list_kept(outputs, console, "Still there, and every permanent address still serves its file:")
    console.print("To delete those, too: empty and delete the bucket, disable and delete the distribution, delete the table.")
    return 0


def _list_kept(outputs: dict[str, str], console: Console, heading: str) -> None:
    console.print(heading)
    for name, what in KEPT.items():
        if name in outputs:
            console.print(f"  {outputs[name]}  {what}", soft_wrap=True)


def _warn_of_work(session: Any, outputs: dict[str, str], console: Console) -> None:
    """Say what would be lost with the queues."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for output, what in (("QueueUrl", "callbacks not worked on yet"), ("DeadLetterQueueUrl", "dead letters")):
        try:
            found = session.client("sqs").get_queue_attributes(QueueUrl=outputs[output], AttributeNames=names)["Attributes"]
        except (BotoCoreError, ClientError, KeyError):
            continue
        if count := sum(int(found[name]) for name in names):
            console.print(f"  [yellow]{count} {what} would be lost[/]; reelkeeper jobs, reelkeeper redrive show them.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make destroy ARGS=…", description=__doc__)
    parser.add_argument("--stack", default=named(), help="the stack's name (%(default)s)")
    parser.add_argument("--profile", help="an AWS profile")
    parser.add_argument("--region", help="an AWS region")
    parser.add_argument("--yes", action="store_true", help="do not ask for the name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
