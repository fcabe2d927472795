"""What became of a job: all evidence of it, from every system that has any, in one timeline."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, get_args
from urllib.parse import unquote

from reelkeeper.domain.job import Job
from reelkeeper.domain.references import job_ids_in, name_in_address

Source: TypeAlias = Literal["ledger", "queue", "dead letters", "inbox", "NCA", "bucket", "Airtable", "logs"]
# A row or a name may have had many jobs; the latest are shown. With the three ways to look that reads at most 20 items.
JOBS_SHOWN = 4
_IDS_TRIED = 4


class Register(Protocol):
    def get(self, job_id: str) -> Job | None: ...
    def of_record(self, record_id: str, *, limit: int) -> tuple[Job, ...]: ...
    def referred(self, ref: str, *, limit: int) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of evidence. `at` None: it could not be had, and `what` says why; `job_id` None: it is about all.

    `knows` False marks an answer in which the job does not occur.
    """

    at: datetime | None
    source: Source
    what: str
    job_id: str | None = None
    knows: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: the text as it was given, the jobs the ledger knows it for, and the words to search for."""

    text: str
    jobs: tuple[Job, ...] = ()

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The jobs' ids; where the ledger knows none, what may be one."""
        return tuple(job.job_id for job in self.jobs) or job_ids_in(self.text)

    @property
    def words(self) -> tuple[str, ...]:
        """What a message or a line about it would contain."""
        records = [one for job in self.jobs for one in (job.record_id, job.target_id) if one]
        return tuple(dict.fromkeys((self.text, *self.job_ids, *records)))


def find(text: str, *, register: Register) -> Subject:
    """The jobs a text leads to: NCA's id, a file's name or address, an Airtable record, or a message's id; latest first."""
    for job_id in job_ids_in(text)[:_IDS_TRIED]:
        job = register.get(job_id)
        if job is not None:
            return Subject(text, (job,))
    of_record = register.of_record(text, limit=JOBS_SHOWN) if text.startswith("rec") else ()
    if of_record:
        return Subject(text, of_record)
    for name in dict.fromkeys((text, unquote(name_in_address(text)))):
        found = [job for job_id in register.referred(name, limit=JOBS_SHOWN) if (job := register.get(job_id)) is not None]
        if found:
            return Subject(text, tuple(found))
    return Subject(text)


def ledger_evidence(jobs: Iterable[Job]) -> list[Entry]:
    """Every line of the jobs' histories, when NCA took them, and when they are looked at next."""
    entries: list[Entry] = []
    for job in jobs:
        entries += [Entry(event.at, "ledger", event.what, job.job_id) for event in job.history]
        if job.submitted_at is not None and job.submitted_at < job.received_at:
            took = (
                f" ({job.timing.queue_s or 0:g} s queued, {job.timing.run_s:g} s run)" if job.timing.run_s is not None else ""
            )
            entries.append(Entry(job.submitted_at, "ledger", f"submitted to NCA, by its own account{took}", job.job_id))
        if job.due_at is not None:
            entries.append(Entry(job.due_at, "ledger", "looked at again, unless something happens before", job.job_id))
    return entries


def gather(
    asks: Mapping[Source, Callable[[], Sequence[Entry]]],
    *,
    failures: tuple[type[Exception], ...],
    explain: Callable[[Exception], str],
) -> tuple[Entry, ...]:
    """Ask all sources side by side; one that cannot be asked is one entry that says why. In the order of time."""

    def one(source: Source) -> Sequence[Entry]:
        try:
            return asks[source]()
        except failures as error:
            return (Entry(None, source, f"could not be asked: {explain(error)}", knows=False),)

    with ThreadPoolExecutor(max(len(asks), 1)) as pool:
        found = [entry for entries in pool.map(one, asks) for entry in entries]
    order = {source: place for place, source in enumerate(get_args(Source))}
    return tuple(
        sorted(found, key=lambda entry: (entry.at is None, entry.at.timestamp() if entry.at else 0, order[entry.source]))
    )
