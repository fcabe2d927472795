"""What a callback does to what is known of its job: whatever the order and the repetitions, the end is the same."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from reelkeeper.domain.callback import Callback, Output
from reelkeeper.domain.job import LOOK_AGAIN, SETTLED_TTL, TRANSITIONS, Job, JobOutput, JobState, move, note, note_once
from reelkeeper.domain.message import Origin

# A success that is reported again brings these back; it is no news to those that have their files.
_REOPENED_BY_SUCCESS = frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.LOST, JobState.REJECTED})
_SUCCEEDED = frozenset({JobState.FINISHED, JobState.STORED, JobState.PUBLISHED, JobState.KEPT})


def job_key(callback: Callback, body: bytes) -> str:
    """The ledger's key: NCA's id; else the row's; else the bytes' own, so that even a bare report has one place.

    Cloud Run reports an invalid payload with no `job_id` anywhere (measured, build 209).
    """
    if callback.job_id:
        return callback.job_id
    if callback.record_id:
        return f"record-{callback.record_id}"
    return f"body-{hashlib.sha256(body).hexdigest()[:40]}"


def receive(job: Job | None, callback: Callback, *, key: str, origin: Origin, at: datetime) -> Job:
    """Fold a callback into what is known: any order and any repetition of the same callbacks ends in the same state."""
    known = job or note(
        Job(job_id=key, state=JobState.SUBMITTED, origin=origin, received_at=at, updated_at=at, due_at=at + LOOK_AGAIN),
        at=at,
        what=f"first heard of by {origin}",
    )
    known = replace(
        known,
        record_id=known.record_id or callback.record_id,
        operation=known.operation or callback.operation,
        target_id=known.target_id or callback.target_id,
    )
    heard = replace(
        known,
        endpoint=callback.endpoint or known.endpoint,
        timing=callback.timing,
        sender=callback.sender,
        submitted_at=known.submitted_at or at - timedelta(seconds=_clamp(callback.timing.total_s)),
    )
    if callback.outcome == "success" and origin == "webhook" and _ended_with(known, callback):
        return note_once(known, at=at, what=f"the success that ended {known.state} was reported again")
    if callback.outcome == "success" and known.state in _REOPENED_BY_SUCCESS:
        outputs = tuple(_planned(output) for output in callback.outputs)
        count = f"{len(outputs)} output{'' if len(outputs) == 1 else 's'}"
        # Whatever Airtable showed of this job before is to be told anew.
        told_anew: dict[str, Any] = {"published_at": None, "audits": 0, "attach_tries": 0, "ingested_at": None}
        finished = replace(heard, outputs=outputs, error=None, origin=origin, **told_anew)
        return move(finished, JobState.FINISHED, at=at, why=f"NCA reports success, {count} ({origin})", due_at=at + LOOK_AGAIN)
    if callback.outcome == "failure" and JobState.FAILED in TRANSITIONS[known.state]:
        failed = replace(heard, error=callback.error, origin=origin)
        return move(failed, JobState.FAILED, at=at, why=f"NCA reports failure ({origin})", due_at=at + LOOK_AGAIN)
    if callback.outcome == "failure" and known.state in _SUCCEEDED:
        return note_once(known, at=at, what="a late failure was reported and not believed: the job had succeeded")
    if callback.outcome == "unknown" and known.state is JobState.SUBMITTED:
        return note_once(known, at=at, what="a callback was stored that says neither success nor failure")
    return known


def _ended_with(job: Job, callback: Callback) -> bool:
    """Whether this very success ended badly already: a queue's repetition is no news, what the poller or a person finds is."""
    ended_badly = job.state in (JobState.LOST, JobState.REJECTED)
    sources = [output.source_url for output in job.outputs]
    return ended_badly and bool(sources) and sources == [output.url for output in callback.outputs]


def _planned(output: Output) -> JobOutput:
    return JobOutput(source_url=output.url, role=output.role, name=output.name, seconds=output.seconds)


def _clamp(seconds: float | None) -> float:
    return min(max(seconds or 0.0, 0.0), SETTLED_TTL.total_seconds())
