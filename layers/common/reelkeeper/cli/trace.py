"""`reelkeeper trace ID`: one timeline of all that is known, whatever the id is an id of."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from botocore.exceptions import BotoCoreError, ClientError
from cyclopts import Parameter
from rich.markup import escape

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.logs import Logs
from reelkeeper.adapters.nca import Nca
from reelkeeper.adapters.register import Register
from reelkeeper.cli.faults import Unusable, explain
from reelkeeper.cli.next_step import next_step
from reelkeeper.cli.place import Here, NoStack, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural, show_time
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job
from reelkeeper.domain.moment import show_moment
from reelkeeper.services import witnesses
from reelkeeper.services.trace import Entry, Subject, find, gather, ledger_evidence
from reelkeeper.settings import ConfigurationError

_FAILURES = (RetryLater, Refused, ConfigurationError, NoStack, ClientError, BotoCoreError)
_STYLES = {"ledger": "bold", "bucket": "green", "Airtable": "cyan", "NCA": "magenta", "dead letters": "red", "logs": "dim"}


def trace(id_: Annotated[str, Parameter(name="ID")], /, *, json: bool = False, place: Here) -> int:
    """Show everything that is known of a job, in the order it happened.

    Parameters
    ----------
    id_
        NCA's job id, an Airtable record id, a file's name or address, or a message's id.
    json
        Print the timeline as JSON instead.
    """
    screen, at = Screen(), datetime.now(UTC)
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))
    with screen.working(f"Asking everyone about {id_}"):
        subject = find(id_.strip(), register=register)
        entries = _ask(subject, place, at)
    if not subject.jobs and not any(entry.knows for entry in entries):
        raise Unusable(
            f"Nobody knows {id_!r}: neither the ledger nor NCA, the bucket, Airtable or the logs. Check it, or look for the "
            "job among the latest with: reelkeeper jobs --since 1d"
        )
    if json:
        screen.json(_as_json(subject, entries, register.items_read))
    else:
        _print(screen, subject, entries, register.items_read)
    return 0


def _ask(subject: Subject, place: Place, at: datetime) -> Sequence[Entry]:
    outputs = place.outputs
    logs = {
        name: Logs(place.client("logs"), f"/aws/lambda/{outputs[f'{name.capitalize()}FunctionName']}")
        for name in ("webhook", "persist", "poller")
    }
    return gather(
        {
            "ledger": lambda: ledger_evidence(subject.jobs),
            "queue": lambda: witnesses.queue_evidence(place.queue, place.inbox, at),
            "dead letters": lambda: witnesses.dead_letter_evidence(subject, place.dead_letters),
            "NCA": lambda: witnesses.nca_evidence(subject, _nca(place), at),
            "bucket": lambda: witnesses.bucket_evidence(subject, _bucket(place)),
            "Airtable": lambda: _airtable_evidence(subject, place, at),
            "logs": lambda: witnesses.log_evidence(subject, logs, witnesses.since(subject, at, unknown=timedelta(days=7))),
        },
        failures=_FAILURES,
        explain=lambda error: explain(error) or str(error),
    )


def _nca(place: Place) -> Nca | None:
    url = place.settings.nca_url
    return Nca(url, place.secret.get("nca_api_key", "")) if url else None


def _bucket(place: Place) -> Bucket:
    keys = (place.secret.get("storage_access_key", ""), place.secret.get("storage_secret_key", ""))
    return Bucket(place.settings.storage, keys=keys)


def _airtable_evidence(subject: Subject, place: Place, at: datetime) -> Sequence[Entry]:
    # Airtable's client library takes a third of this command's time to import: meanwhile the others are asked.
    from reelkeeper.adapters.airtable import Airtable  # noqa: PLC0415
    from reelkeeper.adapters.pace import Pace  # noqa: PLC0415
    from reelkeeper.services.mapping_of import mapping_of  # noqa: PLC0415

    settings = place.settings.airtable
    airtable = Airtable(
        token=place.secret.get("airtable_token", ""),
        base_id=settings.base_id,
        endpoint=settings.endpoint,
        pace=Pace(place.client("dynamodb"), place.output("LedgerTable"), share=settings.share),
    )
    return witnesses.airtable_evidence(subject, airtable, mapping_of(place.settings), at)


def _print(screen: Screen, subject: Subject, entries: Sequence[Entry], items_read: int) -> None:
    for job in subject.jobs:
        _print_job(screen, job)
    if not subject.jobs:
        screen.say(f"The ledger does not know {subject.text}; this is what others say.")
    screen.say()
    several = len(subject.jobs) > 1
    columns = ("time (UTC)", *(("job",) if several else ()), "source", "what")
    screen.table(columns, [_row(entry, several=several) for entry in entries])
    screen.say()
    screen.hint(f"{plural(items_read, 'item')} of the ledger {'was' if items_read == 1 else 'were'} read.")
    if any(entry.source == "dead letters" for entry in entries):
        screen.hint("A message about it is a dead letter; to send it in again: reelkeeper redrive --dry-run shows which")
    for job in subject.jobs[:1]:
        step = next_step(job)
        if step:
            screen.hint(step)


def _print_job(screen: Screen, job: Job) -> None:
    told = f"Airtable knows since {show_time(job.told_at)}" if job.told_at else "Airtable does not know yet"
    about = ", ".join(one for one in (job.operation, f"record {job.record_id}" if job.record_id else "") if one)
    screen.say(f"{job.job_id}{f' ({about})' if about else ''}: {job.state}. {told}.", style="bold")
    if job.error:
        screen.say(f"  why: {job.error.splitlines()[-1][:300]}")
    for output in job.outputs:
        where = output.permanent_url or "not in the bucket yet"
        screen.say(f"  {output.name}{f', {output.size:,} bytes' if output.size is not None else ''}: {where}")


def _row(entry: Entry, *, several: bool) -> tuple[str, ...]:
    style = _STYLES.get(entry.source, "")
    source = f"[{style}]{entry.source}[/]" if style else entry.source
    job = ((entry.job_id or "")[:8],) if several else ()
    return (show_time(entry.at), *job, source, escape(entry.what))


def _as_json(subject: Subject, entries: Sequence[Entry], items_read: int) -> dict[str, Any]:
    return {
        "jobs": [{"job_id": job.job_id, "state": str(job.state), "record_id": job.record_id} for job in subject.jobs],
        "timeline": [{**asdict(entry), "at": show_moment(entry.at) if entry.at else None} for entry in entries],
        "items_read": items_read,
    }
