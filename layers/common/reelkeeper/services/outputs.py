"""A job's outputs into the bucket: side by side, each noted in the ledger as soon as it is verified, none copied twice."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime

from reelkeeper.adapters.guard import Unlisted
from reelkeeper.domain.callback import Callback, parse
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import Job, JobOutput, JobState, move, settle_outputs, stored
from reelkeeper.domain.message import Pointer
from reelkeeper.domain.naming import content_type, object_key
from reelkeeper.metric import Metric
from reelkeeper.services.outside import Outside
from reelkeeper.services.transfer import Kept, keep, transfer
from reelkeeper.telemetry import record

# A source that answers 403 or 404 may only be late; after so many tries NCA's file is gone.
TRIES_BEFORE_LOST = 5


def copy_outputs(job: Job, callback: Callback, *, outside: Outside, clock: Callable[[], datetime], pool: Executor) -> Job:
    """The job after its outputs were copied: stored, or rejected or lost with the reason; raises RetryLater."""
    texts = _texts(job, callback, outside)
    missing = [index for index, output in enumerate(job.outputs) if output.stored_at is None]
    copies = [pool.submit(_copy, job, index, texts, outside, clock) for index in missing]
    errors = [error for copy in copies if (error := _error(copy)) is not None]
    for error in errors:
        if isinstance(error, Refused) and not isinstance(error, Gone):
            return _ended(job, JobState.REJECTED, error.reason, outside, clock)
    for error in errors:
        if isinstance(error, Gone) and job.attempts >= TRIES_BEFORE_LOST:
            return _ended(job, JobState.LOST, f"NCA finished the job, but its file is gone: {error.reason}", outside, clock)
        raise error if isinstance(error, RetryLater) else RetryLater(error.reason)
    return outside.ledger.change(job.job_id, lambda known: settle_outputs(known or job, at=clock()))


def _error(copy: Future[None]) -> RetryLater | Refused | None:
    try:
        copy.result()
    except (RetryLater, Refused) as error:
        record(Metric.FILE_UPLOAD_ERRORS_TOTAL, kind=_kind(error))
        return error
    return None


def _kind(error: RetryLater | Refused) -> str:
    if isinstance(error, Gone):
        return "gone"
    return "refused" if isinstance(error, Refused) else "retry"


def _copy(job: Job, index: int, texts: Mapping[int, str], outside: Outside, clock: Callable[[], datetime]) -> None:
    output = job.outputs[index]
    name = output.name or "output"
    key = object_key(job.job_id, index, name)
    kept = _kept(job, output, key, name, texts.get(index), outside)
    done = replace(
        output,
        key=key,
        size=kept.size,
        checksum=kept.crc32,
        content_type=content_type(name),
        permanent_url=outside.bucket.address(key),
        stored_at=clock(),
    )

    def decide(known: Job | None) -> Job:
        # The job may have been reopened with other outputs in the meantime.
        if known is None or index >= len(known.outputs) or known.outputs[index].source_url != output.source_url:
            return known or job
        return stored(known, index, done, at=clock())

    outside.ledger.change(job.job_id, decide)


def _kept(job: Job, output: JobOutput, key: str, name: str, text: str | None, outside: Outside) -> Kept:
    if output.source_url is None:
        if text is None:
            raise Refused(f"the text of {name} came with a callback that is not at hand any more")
        return keep(text.encode(), key, name=name, bucket=outside.bucket)
    try:
        return transfer(output.source_url, key, name=name, source=outside.source, bucket=outside.bucket)
    except Unlisted:
        if not _confirmed(job, output.source_url, outside):
            raise
    return transfer(output.source_url, key, name=name, source=outside.source, bucket=outside.bucket, confirmed=True)


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


def _ended(job: Job, state: JobState, why: str, outside: Outside, clock: Callable[[], datetime]) -> Job:
    at = clock()

    def decide(known: Job | None) -> Job:
        if known is None or known.state is not JobState.FINISHED:
            return known or job
        return move(replace(known, error=why), state, at=at, why=why, due_at=at)

    return outside.ledger.change(job.job_id, decide)
