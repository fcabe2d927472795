"""`reelkeeper replay`: a callback that was kept is sent in again, word for word."""

from datetime import UTC, datetime

from rich.markup import escape

from reelkeeper.cli.acting import decided
from reelkeeper.cli.place import Here
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural, show_bytes, show_time
from reelkeeper.services.again import Known, kept_callback, send


def replay(*ids: str, dry_run: bool = False, yes: bool = False, place: Here) -> int:
    """Send kept callbacks in again.

    Parameters
    ----------
    ids
        Jobs whose last callback to send, or keys in the bucket under inbox/ or callbacks/.
    dry_run
        Show what would be sent, and send nothing.
    yes
        Do not ask.
    """
    screen = Screen()
    found = [kept_callback(one.strip(), ledger=place.ledger, inbox=place.inbox) for one in ids]
    if not found:
        screen.say("Nothing to replay: name one job or more.")
        return 0
    screen.table(COLUMNS, [row(known) for known in found])
    if not decided(screen, f"Send {plural(len(found), 'callback')} in again?", dry_run=dry_run, yes=yes):
        return 0
    for known in found:
        send(known, queue=place.queue, inbox=place.inbox, at=datetime.now(UTC))
    screen.say(f"{plural(len(found), 'callback')} sent in.")
    screen.hint(f"What becomes of it: reelkeeper trace {found[0].job_id}")
    return 0


COLUMNS = ("job", "reports", "operation", "record", "came (UTC)", "by", "size")


def row(known: Known) -> tuple[str, ...]:
    """A callback in one line."""
    callback, message = known.callback, known.message
    reports = f"success, {plural(len(callback.outputs), 'output')}" if callback.outcome == "success" else callback.outcome
    return (
        escape(known.job_id),
        reports,
        escape(callback.operation or "-"),
        escape(callback.record_id or "-"),
        show_time(message.received_at),
        message.origin,
        show_bytes(len(message.body)),
    )
