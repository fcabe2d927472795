"""The audit: what Airtable shows is looked at again as any viewer would, and brought back where it is gone.

Ten minutes, a day and a week after a job was published; then it is kept, and a bounded number of kept jobs is looked at in
each sweep (docs/permanence.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import LOOK_AGAIN, Job, tried
from reelkeeper.domain.keeping import passed
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, retry_delay
from reelkeeper.metric import Metric
from reelkeeper.services.bringing_back import Brought, bring_back
from reelkeeper.services.ingesting import Ingested, verify
from reelkeeper.services.looking import Finding, look
from reelkeeper.services.outside import WIDTH, Outside
from reelkeeper.telemetry import logger, of, record

Clock = Callable[[], datetime]
# As many as Airtable shows in one answer.
_AT_ONCE = 100
# At a sweep every five minutes 14,400 a day, so that half a million kept jobs are looked at in turn.
KEPT_A_SWEEP = 50


@dataclass(frozen=True, slots=True)
class Audited:
    """What the audits of a sweep found: jobs looked at, and those of them that are not as they should be."""

    looked_at: int = 0
    failed: int = 0


def audit(
    published: Sequence[Job], *, outside: Outside, clock: Clock, chance: Callable[[], float], ends_at: datetime
) -> Audited:
    """Look at these published jobs, which are due, and at some that are kept, until `ends_at`; those left stay due."""
    run = _Run(outside, clock, chance, ends_at)
    kept = list(outside.ledger.due(now=clock(), limit=KEPT_A_SWEEP, kept=True)) if clock() < ends_at else []
    jobs = [*published, *kept]
    looked_at = failed = 0
    for start in range(0, len(jobs), _AT_ONCE):
        if clock() >= ends_at:
            break
        some = jobs[start : start + _AT_ONCE]
        looked_at += len(some)
        failed += run.audit(some)
    run.tell_people()
    return Audited(looked_at, failed)


class _Run:
    """One sweep's audits; what people must know of is gathered and said once."""

    def __init__(self, outside: Outside, clock: Clock, chance: Callable[[], float], ends_at: datetime) -> None:
        self._outside = outside
        self._clock = clock
        self._chance = chance
        self._ends_at = ends_at
        self._incidents: list[str] = []

    def audit(self, jobs: Sequence[Job]) -> int:
        """Look at up to a hundred jobs, write down what was found, and return how many are not as they should be."""
        ingested = self._ingested([job for job in jobs if job.audits == 0])
        waiting = {job_id for job_id, one in ingested.items() if one.waits}
        looked = [job for job in jobs if job.job_id not in waiting and (job.audits > 0 or job.job_id in ingested)]
        with ThreadPoolExecutor(WIDTH) as looking:
            return sum(looking.map(lambda job: self._safely(job, ingested.get(job.job_id)), looked))

    def _ingested(self, jobs: Sequence[Job]) -> dict[str, Ingested]:
        """What became of the attachments; jobs of which Airtable does not say it now wait, and are not in the answer."""
        outside = self._outside
        try:
            found = verify(jobs, airtable=outside.airtable, mapping=outside.mapping, at=self._clock()) if jobs else {}
        except (RetryLater, Refused) as error:
            logger.warning("attachments could not be verified", jobs=len(jobs), reason=error.reason)
            for job in jobs:
                self._later(job, error.reason, delay=error.delay if isinstance(error, RetryLater) else None)
            return {}
        except Exception as error:  # noqa: BLE001 - the outermost loop: one job's fault must not stop the others
            logger.exception("attachments could not be verified for a fault of ours", jobs=len(jobs))
            if len(jobs) == 1:
                self._later(jobs[0], f"a fault of ours: {type(error).__name__}: {error}")
                return {}
            return {job_id: one for job in jobs for job_id, one in self._ingested([job]).items()}
        for job in jobs:
            if found[job.job_id].waits:
                logger.warning("attached again", **_of(job, reason=found[job.job_id].what))
                self._become(job, found[job.job_id].job)
        return found

    def _safely(self, job: Job, ingested: Ingested | None) -> bool:
        """Audit one job, in time; whatever goes wrong with it concerns no other."""
        if self._clock() >= self._ends_at:
            # It stays due.
            return False
        try:
            return self._audit(job, ingested)
        except Exception as error:  # noqa: BLE001 - the outermost loop, too
            logger.exception("job could not be audited for a fault of ours", **_of(job))
            self._later(job, f"a fault of ours: {type(error).__name__}: {error}")
            return False

    def _audit(self, job: Job, ingested: Ingested | None) -> bool:
        """Whether one job is not as it should be."""
        try:
            findings = look(job, bucket=self._outside.bucket, viewer=self._outside.viewer)
            if findings:
                record(Metric.AUDITS_FAILED_TOTAL)
                self._found(job, findings)
                return True
        except (RetryLater, Refused) as error:
            logger.warning("job could not be audited", **_of(job, reason=error.reason))
            self._later(job, error.reason, delay=error.delay if isinstance(error, RetryLater) else None)
            return False
        record(Metric.AUDITS_PASSED_TOTAL)
        logger.info("audit passed", **_of(job, audits=job.audits + 1))
        why = f"whole, and readable by anybody; {ingested.what}" if ingested and ingested.what else "whole, readable by anybody"
        known_at = ingested.job.ingested_at if ingested else job.ingested_at
        chance = self._chance()
        self._change(job, lambda known: passed(replace(known, ingested_at=known_at), at=self._clock(), why=why, chance=chance))
        return False

    def _found(self, job: Job, findings: Sequence[Finding]) -> None:
        brought: Brought = bring_back(job, findings, outside=self._outside, at=self._clock())
        logger.error("audit failed", **_of(job, found=[finding.what for finding in findings], done=brought.what))
        # A file that stays unreadable is found again at each look; people hear of it once.
        if job.attempts == 0 or brought.job is not None:
            self._incidents.append(
                f"{job.job_id} (record {job.record_id}): {'; '.join(one.what for one in findings)}. {brought.what}"
            )
        if brought.job is None:
            self._later(job, brought.what)
            return
        self._become(job, brought.job)
        if brought.message is not None:
            # After the ledger knows, or the message would find a job that needs nothing.
            self._outside.queue.send(brought.message)

    def _later(self, job: Job, why: str, *, delay: timedelta | None = None) -> None:
        later = retry_delay(job.attempts + 5, chance=self._chance(), longest=LONGEST_IN_LEDGER)
        due_at = self._clock() + max(later, LOOK_AGAIN, delay or LOOK_AGAIN)
        self._change(job, lambda known: tried(known, at=self._clock(), why=why, due_at=due_at))

    def _become(self, job: Job, next_job: Job) -> None:
        self._change(job, lambda _: next_job)

    def _change(self, job: Job, decide: Callable[[Job], Job]) -> None:
        """Write a decision on the job as it was read; one that has moved on in the meantime is left alone."""

        def again(known: Job | None) -> Job:
            return decide(known) if known is not None and known.version == job.version else known or job

        try:
            self._outside.ledger.change(job.job_id, again)
        except RetryLater as error:
            # It stays due, and is looked at again.
            logger.warning("audit could not be written down", **_of(job, reason=error.reason))

    def tell_people(self) -> None:
        """One message for everything that was found, however many jobs it concerns."""
        if not self._incidents:
            return
        count = len(self._incidents)
        record(Metric.INCIDENTS_TOTAL, kind="object_missing")
        try:
            self._outside.topic.say(
                f"Reelkeeper: {count} kept file{'' if count == 1 else 's'} not as they should be",
                "An audit found files that are gone, changed, or not to be seen by viewers:\n\n"
                + "\n".join(self._incidents[:50])
                + (f"\n… and {count - 50} more" if count > 50 else "")
                + "\n\nWhat is checked, and what to do: docs/permanence.md. Causes: reelkeeper check storage",
            )
        except RetryLater as error:
            logger.error("people could not be told", incidents=count, reason=error.reason)


def _of(job: Job, **more: object) -> dict[str, Any]:
    return of(job, state=job.state, **more)
