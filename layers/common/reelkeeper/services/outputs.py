"""A job's outputs into the bucket: side by side, each noted in the ledger as soon as it is verified, none copied twice."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from reelkeeper.adapters.guard import Unlisted
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.domain.callback import Callback, parse
from reelkeeper.domain.errors import Different, Gone, Refused, RetryLater, Unfinished
from reelkeeper.domain.job import Job, JobOutput, JobState, move, note, settle_outputs, stored
from reelkeeper.domain.kept import Kept, Work
from reelkeeper.domain.media import claim
from reelkeeper.domain.message import Pointer
from reelkeeper.domain.naming import content_type, object_key
from reelkeeper.metric import Metric
from reelkeeper.services.gate import Admitted, Object
from reelkeeper.services.outside import Outside
from reelkeeper.telemetry import about, logger, of, record

# A source that answers 403 or 404 may only be late; after so many tries NCA's file is gone.
TRIES_BEFORE_LOST = 5
# So many different files of one output would be a fault, not a history.
_VERSIONS = 20
# What the gate found is in the history of the first outputs; one job may have hundreds, and its history has a bound.
_NOTED = 5


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of persist lends to the copies of a job; `left_s` tells the seconds until they have to stop."""

    outside: Outside
    clock: Callable[[], datetime]
    left_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the ledger keeps how far the copy of one output came."""

    ledger: Ledger
    job_id: str
    index: int

    def load(self) -> str | None:
        return self.ledger.checkpoint(self.job_id, self.index)

    def save(self, text: str | None) -> None:
        self.ledger.save_checkpoint(self.job_id, self.index, text)


def copy_outputs(job: Job, callback: Callback, *, run: Run, pool: Executor) -> Job:
    """The job after its outputs were copied: stored, or rejected or lost with the reason; raises RetryLater.

    Unfinished, which is one, says that a copy came further and that a next run goes on with it.
    """
    outside, clock = run.outside, run.clock
    texts = _texts(job, callback, outside)
    missing = [index for index, output in enumerate(job.outputs) if output.stored_at is None]
    copies = [pool.submit(_copy, job, index, texts.get(index), run) for index in missing]
    errors = [error for copy in copies if (error := _error(copy)) is not None]
    for error in errors:
        if isinstance(error, Refused) and not isinstance(error, Gone):
            return _ended(job, JobState.REJECTED, error.reason, run)
    # What came further comes first: a next run goes on with it, and meets the others' errors again.
    for error in sorted(errors, key=lambda error: not isinstance(error, Unfinished)):
        if isinstance(error, Gone) and job.attempts >= TRIES_BEFORE_LOST:
            return _ended(job, JobState.LOST, f"NCA finished the job, but its file is gone: {error.reason}", run)
        raise error if isinstance(error, RetryLater) else RetryLater(error.reason)
    return outside.ledger.change(job.job_id, lambda known: settle_outputs(known or job, at=clock()))


def _error(copy: Future[None]) -> RetryLater | Refused | None:
    try:
        copy.result()
    except (RetryLater, Refused) as error:
        if isinstance(error, Unfinished):
            record(Metric.COPY_BYTES_READ_TOTAL, error.read)
            record(Metric.COPY_RETRIES_TOTAL, error.retries)
        else:
            record(Metric.FILE_UPLOAD_ERRORS_TOTAL, kind=_kind(error))
        return error
    return None


def _kind(error: RetryLater | Refused) -> str:
    if isinstance(error, Gone):
        return "gone"
    return "refused" if isinstance(error, Refused) else "retry"


def _copy(job: Job, index: int, text: str | None, run: Run) -> None:
    # In a thread of its own, which knows nothing of the one that asked for it.
    with about(**of(job)):
        _copy_one(job, index, text, run)


def _copy_one(job: Job, index: int, text: str | None, run: Run) -> None:
    output, ledger = job.outputs[index], run.outside.ledger
    name = output.name or "output"
    bookmark = Bookmark(ledger, job.job_id, index)
    key, kept = _kept(job, index, name, text, run, bookmark)
    _measure(kept.work, kept.size)
    passed = _admitted(job, output, Object(key, kept.size, kept.crc32), name, run)
    done = replace(
        output,
        name=passed.name,
        key=passed.object.key,
        size=passed.object.size,
        checksum=passed.object.crc32,
        content_type=passed.media_type,
        permanent_url=run.outside.bucket.address(passed.object.key) if passed.shown else None,
        stored_at=run.clock(),
        verdict=passed.verdict or None,
    )

    def decide(known: Job | None) -> Job:
        # The job may have been reopened with other outputs in the meantime.
        if known is None or index >= len(known.outputs) or known.outputs[index].source_url != output.source_url:
            return known or job
        if key != object_key(job.job_id, index, name):
            known = note(
                known, at=run.clock(), what=f"another file has this output's first key and stays; this one is kept as {key}"
            )
        if passed.what and index < _NOTED:
            known = note(known, at=run.clock(), what=f"{name}: {passed.what}")
        return stored(known, index, done, at=run.clock())

    ledger.change(job.job_id, decide)
    if kept.work.way not in ("put", "stream"):
        # Only now: a worker that is killed before has the note to find its finished upload by.
        bookmark.save(None)


def _kept(job: Job, index: int, name: str, text: str | None, run: Run, bookmark: Bookmark) -> tuple[str, Kept]:
    """The output in the bucket, under the first of its keys that no other file has."""
    for version in range(1, _VERSIONS + 1):
        key = object_key(job.job_id, index, name, version=version)
        try:
            return key, _kept_as(key, job, job.outputs[index], name, text, run, bookmark)
        except Different as error:
            logger.warning("another file has this key", **of(job, key=key, reason=error.reason))
            bookmark.save(None)
    raise Refused(f"there are {_VERSIONS} other files of this output already, the last of them {key}")


def _kept_as(key: str, job: Job, output: JobOutput, name: str, text: str | None, run: Run, bookmark: Bookmark) -> Kept:
    copier, url = run.outside.copier, output.source_url
    if url is None:
        if text is None:
            raise Refused(f"the text of {name} came with a callback that is not at hand any more")
        return copier.keep(text.encode(), key, name=name)
    try:
        return copier.copy(url, key, name=name, checkpoint=bookmark, left_s=run.left_s)
    except Unlisted:
        if not _confirmed(job, url, run.outside):
            record(Metric.SOURCE_REFUSED_TOTAL)
            raise
    return copier.copy(url, key, name=name, confirmed=True, checkpoint=bookmark, left_s=run.left_s)


def _measure(work: Work, size: int) -> None:
    """What a copy cost, for the graphs; a file that was there already cost nothing."""
    record(Metric.COPY_BYTES_READ_TOTAL, work.read)
    record(Metric.COPY_RETRIES_TOTAL, work.retries)
    record(Metric.COPY_RESTARTED_TOTAL, int(work.restarted))
    record(Metric.COPY_RESUMED_TOTAL, int(work.kept_before > 0))
    if work.way != "found" and work.seconds > 0:
        record(Metric.COPY_WIDTH, work.width)
        record(Metric.COPY_BYTES_PER_SECOND, (size - work.kept_before) / work.seconds)


def _admitted(job: Job, output: JobOutput, there: Object, name: str, run: Run) -> Admitted:
    """The object as the media gate lets it pass; whoever has no gate takes it at its name."""
    gate = run.outside.gate
    if gate is None:
        return Admitted(there, output.name, content_type(name), verdict="", what="")
    said = claim(name, role=output.role, operation=job.operation, seconds=output.seconds)
    return gate.admit(said, there, attempts=job.attempts, left_s=run.left_s)


def _confirmed(job: Job, url: str, outside: Outside) -> bool:
    """Whether NCA itself says that this job made this URL: a forged callback can name any host."""
    if job.rowless and job.origin == "operator":
        # The backfill read it from the base; no callback from outside is ever an operator's.
        return True
    if outside.nca is None:
        return False
    try:
        report = outside.nca.status(job.job_id).report
    except Refused:
        return False
    return report is not None and any(output.url == url for output in parse(report, {}).outputs)


def _texts(job: Job, callback: Callback, outside: Outside) -> Mapping[int, str]:
    """Inline texts by the place of their output; a later callback carries none, so that the kept one is read again."""
    inline = [index for index, output in enumerate(job.outputs) if output.source_url is None and output.stored_at is None]
    if not inline:
        return {}
    if not callback.outputs:
        message = outside.ledger.message(job.job_id)
        if isinstance(message, Pointer):
            message = outside.inbox.get(message.key)
        callback = parse(message.body, message.query) if message else callback
    found = dict(enumerate(output.text for output in callback.outputs))
    return {index: text for index in inline if (text := found.get(index)) is not None}


def _ended(job: Job, state: JobState, why: str, run: Run) -> Job:
    at = run.clock()
    for index, output in enumerate(job.outputs):
        # Parts that nobody will ever need cost money each day.
        if output.stored_at is None and output.source_url is not None:
            with suppress(RetryLater):
                run.outside.copier.forget(Bookmark(run.outside.ledger, job.job_id, index))

    def decide(known: Job | None) -> Job:
        if known is None or known.state is not JobState.FINISHED:
            return known or job
        return move(replace(known, error=why), state, at=at, why=why, due_at=at)

    return run.outside.ledger.change(job.job_id, decide)
