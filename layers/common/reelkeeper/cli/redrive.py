"""`reelkeeper redrive`: the dead letters, by their reasons, sent in again or thrown away."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.markup import escape

from reelkeeper.adapters.queue import Letter
from reelkeeper.cli.acting import decided, unbroken
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import age, plural
from reelkeeper.domain.errors import Refused
from reelkeeper.services.again import WHILE_DECIDING, Known, opened
from reelkeeper.services.again import redrive as send_again

_MOST, _JOBS_SHOWN = 1_000, 3
_CRASHED = "its worker crashed each time; SQS moved it here"

Opened = tuple[Letter, Known | str]


def redrive(
    *, reason: str = "", discard: bool = False, limit: int = _MOST, dry_run: bool = False, yes: bool = False, place: Here
) -> int:
    """Send dead letters in again.

    Parameters
    ----------
    reason
        Only letters in whose reason this text occurs.
    discard
        Throw them away instead; for what is none of our messages nothing else can be done.
    limit
        How many letters to look at, at most.
    dry_run
        Show the letters, and leave them where they are.
    yes
        Do not ask.
    """
    screen = Screen()
    letters: list[Letter] = []
    try:
        with screen.working("Reading the dead letters"):
            # Not asked for more than there are: the last request would wait for another.
            limit = min(limit, place.dead_letters.length().waiting or limit)
            unbroken(lambda: letters.extend(place.dead_letters.take(limit=limit, hidden=WHILE_DECIDING)))
        chosen = [_opened(one, place) for one in letters if reason.lower() in (one.reason or _CRASHED).lower()]
        _print(screen, chosen, of=len(letters))
        good = [(letter, known) for letter, known in chosen if isinstance(known, Known)]
        doing = [letter for letter, _ in chosen] if discard else [letter for letter, _ in good]
        if not doing:
            return 0
        question = f"{'Throw' if discard else 'Send'} {plural(len(doing), 'dead letter')} {'away' if discard else 'in again'}?"
        if not decided(screen, question, dry_run=dry_run, yes=yes):
            return 0
        if discard:
            for letter in doing:
                place.dead_letters.discard(letter)
                letters.remove(letter)
        else:
            for one in good:
                send_again([one], queue=place.queue, dead_letters=place.dead_letters, inbox=place.inbox, clock=_now)
                letters.remove(one[0])
        screen.say(f"{plural(len(doing), 'dead letter')} {'thrown away' if discard else 'sent in again'}.")
        if good and not discard:
            screen.hint(f"What becomes of it: reelkeeper trace {good[0][1].job_id}")
    finally:
        # What was only looked at, or left over by an interruption, is seen again at once.
        unbroken(lambda: place.dead_letters.put_back(letters))
    return 0


def _opened(letter: Letter, place: Place) -> Opened:
    try:
        return letter, opened(letter, inbox=place.inbox)
    except Refused as error:
        return letter, error.reason


def _print(screen: Screen, letters: Sequence[Opened], *, of: int) -> None:
    if not letters:
        screen.say("There are no dead letters." if not of else f"None of {plural(of, 'dead letter')} has this reason.")
        return
    now = _now()
    by_reason: dict[str, list[Opened]] = {}
    for one in letters:
        by_reason.setdefault(one[0].reason or _CRASHED, []).append(one)
    rows = []
    for reason, some in by_reason.items():
        jobs = [known.job_id for _, known in some if isinstance(known, Known)]
        lost = len(some) - len(jobs)
        shown = [escape(job_id) for job_id in jobs[:_JOBS_SHOWN]]
        shown += [f"and {len(jobs) - _JOBS_SHOWN} more"] if len(jobs) > _JOBS_SHOWN else []
        shown += [f"{lost} that cannot be sent in again"] if lost else []
        rows.append((str(len(some)), age(min(letter.sent_at for letter, _ in some), now), escape(reason), "\n".join(shown)))
    screen.table(("letters", "oldest", "reason", "jobs"), rows)
    if any(isinstance(known, str) for _, known in letters):
        screen.hint("What cannot be sent in again is thrown away with --discard.")


def _now() -> datetime:
    return datetime.now(UTC)
