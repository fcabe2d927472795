"""The report: N finished = N kept + exceptions, as text a person can check; on the screen, or by mail once a week."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from reelkeeper.adapters import clients
from reelkeeper.adapters.register import Register
from reelkeeper.domain.account import Account, Exemption, account
from reelkeeper.domain.job import Job
from reelkeeper.settings import Settings

# A mail that lists more is not read.
LISTED = 40


class Jobs(Protocol):
    def all(self, *, since: datetime | None = None) -> Iterable[Job | None]: ...


class Topic(Protocol):
    def say(self, subject: str, text: str) -> None: ...


def make_account(register: Jobs, *, days: int, at: datetime) -> Account:
    """The account of the last days; reads the whole ledger, raises RetryLater where it does not answer."""
    since = at - timedelta(days=days)
    return account((job for job in register.all(since=since) if job is not None), since=since, until=at)


def mail(settings: Settings, topic: Topic, *, days: int, at: datetime) -> Account:
    """Say the account to people; raises RetryLater."""
    made = make_account(Register(clients.dynamodb(), settings.table), days=days, at=at)
    topic.say(subject(made), "\n".join(lines(made)))
    return made


def subject(made: Account) -> str:
    """The whole report in one line."""
    return f"Reelkeeper: {made.finished} finished, {made.kept} kept, {_exceptions(made)}"


def _exceptions(made: Account) -> str:
    count = len(made.exceptions)
    return f"{count:,} exception{'' if count == 1 else 's'}"


def lines(made: Account) -> Sequence[str]:
    """The report as text."""
    law = f"{made.finished:,} finished = {made.kept:,} kept + {_exceptions(made)}"
    size = f"{made.kept_bytes / 1e9:,.2f} GB" if made.kept_bytes >= 1e9 else f"{made.kept_bytes / 1e6:,.2f} MB"
    return [
        f"Jobs first heard of from {made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M} UTC",
        "",
        law if made.balanced else f"THE LAW IS BROKEN: {law}. This is a fault in Reelkeeper; please report it.",
        f"{size} are kept. NCA reported {made.failed:,} failed, {made.running:,} are still running.",
        *_listed("Exceptions:", made.exceptions),
        *_listed("Also to know:", made.remarks),
        *(["", "What became of one: reelkeeper trace ID"] if made.exceptions or made.remarks else []),
    ]


def _listed(title: str, some: Sequence[Exemption]) -> list[str]:
    if not some:
        return []
    shown = [
        f"  {one.job.job_id}  {one.job.operation or '-'}  {one.job.record_id or '-'}  {one.why[:300]}" for one in some[:LISTED]
    ]
    more = [f"  … and {len(some) - LISTED:,} more"] if len(some) > LISTED else []
    return ["", title, *shown, *more]
