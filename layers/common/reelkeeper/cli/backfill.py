"""`reelkeeper backfill`: have every file kept that was in Airtable before Reelkeeper was."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.markup import escape

from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.domain.backfilling import Candidate, Standing, standing
from reelkeeper.domain.errors import Refused
from reelkeeper.services.backfill import Found, find, send

_ENDED: frozenset[Standing] = frozenset({"kept", "lost", "rejected"})
# What was lost may have been a link that died before its turn came: this time it is a fresh one.
_TO_SEND: frozenset[Standing] = frozenset({"new", "lost"})
_LOOK_EVERY_S = 2.0
_SHOWN = 20


def backfill(
    *,
    table: Sequence[str] = (),
    since: datetime | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    wait: Annotated[int, Parameter(validator=Number(gte=0))] = 3600,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    place: Here,
) -> int:
    """Keep every file in Airtable that has no permanent address yet.

    Parameters
    ----------
    table
        Only this table; may be given again. Without it all tables of the mapping.
    since
        Only rows made since this day.
    limit
        At most so many files.
    dry_run
        Show what would be kept, and keep nothing.
    yes
        Do not ask.
    wait
        Seconds to wait for the files to be kept; 0 does not wait. Stopped early, the same command goes on.
    as_json
        Print the report as JSON.
    """
    screen = Screen()
    unknown = set(table) - {target.table for target in place.outside.mapping.operations.values()}
    if unknown:
        known = sorted({target.table for target in place.outside.mapping.operations.values()})
        raise Unusable(f"The mapping has no table {', '.join(sorted(unknown))}: it has {', '.join(known)}.")
    with screen.working("Looking through Airtable") as say:
        found = list(_find(place, table, since, limit, say))
    todo = [one.candidate for one in found if one.standing in _TO_SEND]
    followed = [one for one in found if one.standing in (*_TO_SEND, "under way")]
    if not as_json:
        _preview(screen, found, todo)
    if dry_run or not followed:
        if as_json:
            screen.json(_report(found, {}))
        return 0
    if todo and not screen.confirm(f"Keep {_files(len(todo))}?", yes=yes):
        return 0
    for candidate in todo:
        send(candidate, queue=place.queue, clock=lambda: datetime.now(UTC))
    ended = _follow(place, followed, timedelta(seconds=wait))
    if as_json:
        screen.json(_report(found, ended))
    else:
        _conclude(screen, place, followed, ended)
    return int(any(one in ("lost", "rejected") for one in ended.values()))


def _find(
    place: Place,
    tables: Sequence[str],
    since: datetime | None,
    limit: int | None,
    say: Callable[[str], None],
) -> Iterator[Found]:
    outside = place.outside
    # Which fields there are; with a token without the scope the reads find out.
    with suppress(Refused):
        outside.airtable.schema()
    hosts = place.settings.source.hosts | place.settings.source.local_hosts
    count = 0
    for one in find(
        airtable=outside.airtable,
        ledger=place.ledger,
        mapping=outside.mapping,
        permanent=place.settings.storage.public_url,
        source_hosts=hosts,
        tables=tables,
        since=since.replace(tzinfo=since.tzinfo or UTC) if since else None,
    ):
        yield one
        count += one.standing in _TO_SEND
        say(f"Looking through Airtable: {_files(count)} to keep")
        if limit is not None and count >= limit:
            return


def _preview(screen: Screen, found: Sequence[Found], todo: Sequence[Candidate]) -> None:
    rows = [(escape(one.table), one.record_id, escape(one.field), escape(one.name), _megabytes(one.size)) for one in todo]
    if rows:
        screen.some(("table", "record", "field", "file", "size"), rows, most=_SHOWN)
    before = Counter(one.standing for one in found)
    parts = [f"{_files(len(todo))} to keep"]
    parts += [f"{count} {what}" for what, count in sorted(before.items()) if what != "new" and count]
    screen.say("; ".join(parts) + ".")


def _follow(place: Place, followed: Sequence[Found], patience: timedelta) -> dict[str, Standing]:
    """How each file ended, as far as that is known in time."""
    ends = time.monotonic() + patience.total_seconds()
    ended: dict[str, Standing] = {}
    with _bar(len(followed)) as show:
        while len(ended) < len(followed) and time.monotonic() < ends:
            for one in followed:
                if one.candidate.job_id not in ended:
                    job = place.ledger.get(one.candidate.job_id)
                    now = standing(job)
                    # One that is sent in again stays lost until its message is read.
                    if now in _ENDED and job is not None and job.told_at is not None and job.version > one.version:
                        ended[one.candidate.job_id] = now
                        show(len(ended))
            if len(ended) < len(followed):
                time.sleep(_LOOK_EVERY_S)
    return ended


def _conclude(screen: Screen, place: Place, followed: Sequence[Found], ended: dict[str, Standing]) -> None:
    count = Counter(ended.values())
    left = len(followed) - len(ended)
    screen.say(
        f"{_files(count['kept'])} kept, {count['lost']} lost, {count['rejected']} rejected"
        + (f", {left} under way: the same command goes on watching" if left else "")
        + "."
    )
    for candidate in (one.candidate for one in followed):
        if ended.get(candidate.job_id) in ("lost", "rejected"):
            job = place.ledger.get(candidate.job_id)
            screen.say(f"  {candidate.table} {candidate.record_id} {candidate.name}: {job.error if job else 'unknown'}")


def _report(found: Sequence[Found], ended: dict[str, Standing]) -> list[dict[str, object]]:
    return [
        {
            "table": one.candidate.table,
            "record_id": one.candidate.record_id,
            "field": one.candidate.field,
            "file": one.candidate.name,
            "bytes": one.candidate.size,
            "job_id": one.candidate.job_id,
            "before": one.standing,
            "now": ended.get(one.candidate.job_id, one.standing),
        }
        for one in found
    ]


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, and nothing where nobody looks."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (
        progress.TextColumn("Keeping"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:,.1f} MB" if size is not None else ""
