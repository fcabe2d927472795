"""`make demo`: plays the whole story on this machine and ends with status 0 only if everything it shows is true."""

import argparse
import signal
import sys
from datetime import timedelta
from pathlib import Path
from types import FrameType

from rich.console import Console

from local.demo import lost, story
from local.demo.screen import Screen
from local.demo.story import Story
from local.passing import pass_time
from local.process import CommandFailed
from local.stack import GATEWAY_PORT, ROOT_KEYS, STACK_NAME, FunctionName, StackFailed
from local.world import World, world


def main() -> int:
    """0: every check is true; 1: one is not, or the stack did not start; 130: stopped by Ctrl-C."""
    arguments = _arguments()
    console = Console(emoji=False, highlight=False)
    screen = Screen(console)
    # A person's `kill` is to leave as little behind as Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    console.print("[bold]Reelkeeper[/] keeps what the NCA Toolkit makes, and tells Airtable the truth.")
    console.print(
        "Real template, real functions, real media; AWS, NCA and Airtable are played on this machine.", soft_wrap=True
    )
    try:
        # Sweeps happen where the story tells of them.
        parameters = {"PollRate": "rate(1 hour)"}
        with world(report=screen.step, port=arguments.port, parameters=parameters, mapping=lost.mapping()) as everything:
            _play(Story(everything, screen))
            if arguments.dashboard:
                _draw(everything, arguments.dashboard)
                screen.step(f"The dashboard of this run: {arguments.dashboard}")
            _close(everything, screen)
            if arguments.keep:
                console.input("\nEverything is still running. Press Enter to end it. ")
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return 130
    except (StackFailed, CommandFailed) as error:
        console.print(f"[red]{error}")
        return 1
    screen.conclude()
    return 0 if screen.good else 1


def _play(told: Story) -> None:
    segments = story.segments_are_combined(told)
    film = story.segments_are_joined(told, segments)
    story.nca_deletes_its_copies(told, [*segments, film])
    story.a_job_fails(told)
    story.a_callback_comes_fifty_times(told)
    story.a_page_comes_instead_of_a_film(told, film)
    lost.a_callback_is_lost(told)
    lost.nca_is_killed(told)
    lost.a_job_takes_its_time(told)
    _list(told)


def _list(told: Story) -> None:
    """Every job with what became of it, and every permanent address on a line of its own, to be copied."""
    rows, addresses = [], []
    for order in told.orders:
        job = told.job(order)
        rows.append(
            (order.operation, order.job_id, str(job.state) if job else "unknown", ", ".join(told.remarks[order.record_id]))
        )
        addresses += [(order.job_id[:8], url)] if (url := told.engine.permanent_url(order)) else []
    told.screen.table("Every job", ("operation", "job", "state", "checked"), rows)
    told.screen.act("Permanent addresses, while this runs")
    for short, url in addresses:
        told.screen.step(f"{short}  {url}")


def _close(everything: World, screen: Screen) -> None:
    aws = everything.aws
    keys = " ".join(f"{name}={value}" for name, value in ROOT_KEYS.items())
    screen.act(
        "To look further",
        "`make demo ARGS=--keep` leaves everything running until Enter; `make stack` starts it without the story.",
    )
    screen.step(f"export {keys} AWS_ENDPOINT_URL={aws.endpoint}")
    screen.step(f"aws s3 ls s3://{aws.bucket}/outputs/ --recursive")
    screen.step(f"aws dynamodb scan --table-name {aws.table} --query 'Items[].[job_id.S,state.S]'")
    screen.step(f"aws sqs receive-message --queue-url {aws.dead_letter_url}")
    screen.step(f"aws logs tail /aws/lambda/{aws.function('persist')}")
    screen.step(f"open {everything.airtable.address}   # Airtable's tables, with their attachments")


def _draw(everything: World, file: Path) -> None:
    """Let a week pass, so that what was published is audited and kept, and draw what the functions have counted by then."""
    # matplotlib takes a second to import, which the plain demo need not wait for.
    from local.dashboard import draw  # noqa: PLC0415

    aws = everything.aws
    for by in (timedelta(), timedelta(minutes=11), timedelta(days=1, minutes=5), timedelta(days=7)):
        pass_time(everything, by)
        aws.invoke("poller")
    names: tuple[FunctionName, ...] = ("webhook", "persist", "poller")
    body = aws.client("cloudwatch").get_dashboard(DashboardName=STACK_NAME)["DashboardBody"]
    draw(body, [line for name in names for line in aws.logs(name)], file)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=GATEWAY_PORT, help="where AWS answers; another if that is taken (%(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end until Enter is pressed")
    parser.add_argument("--dashboard", type=Path, metavar="FILE", help="draw the stack's dashboard of this run as a picture")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
