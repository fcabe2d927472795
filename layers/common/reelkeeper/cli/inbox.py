"""`reelkeeper inbox`: the callbacks that wait in the bucket because the queue could not take them."""

from datetime import UTC, datetime
from itertools import islice

from rich.markup import escape

from reelkeeper.cli.acting import decided
from reelkeeper.cli.place import Here
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import age, plural, show_bytes
from reelkeeper.services.again import take_in

_SHOWN = 20


def inbox(*, take: bool = False, limit: int = 1_000, dry_run: bool = False, yes: bool = False, place: Here) -> int:
    """List what waits in the inbox, and send it in.

    Parameters
    ----------
    take
        Send them in now; the next sweep of the poller would do it anyway.
    limit
        How many to look at, at most.
    dry_run
        With --take: show what would be sent in.
    yes
        With --take: do not ask.
    """
    screen, now = Screen(), datetime.now(UTC)
    with screen.working("Listing the inbox"):
        waiting = list(islice(place.inbox.waiting(), limit))
    if not waiting:
        screen.say("The inbox is empty.")
        return 0
    rows = [(age(one.since, now), show_bytes(one.size), escape(one.key)) for one in waiting]
    screen.some(("waits for", "size", "key"), rows, most=_SHOWN)
    if not take:
        screen.hint(f"{plural(len(waiting), 'callback')} waiting; the next sweep takes them in, or: reelkeeper inbox --take")
        return 0
    if not decided(screen, f"Send {plural(len(waiting), 'callback')} in?", dry_run=dry_run, yes=yes):
        return 0
    sent, left = take_in(waiting, queue=place.queue, inbox=place.inbox, clock=lambda: datetime.now(UTC))
    screen.say(f"{plural(sent, 'callback')} sent in.")
    for key in left:
        screen.say(f"Left where it is, for it is gone or no callback: {key}")
    return 0
