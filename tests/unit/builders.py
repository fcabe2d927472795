"""What the unit tests are made of: jobs, callbacks and messages, with only what a test is about to be said."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from reelkeeper.domain.callback import Callback, Json, Outcome, Output, Sender, Timing
from reelkeeper.domain.job import TRANSITIONS, Event, Job, JobOutput, JobState, move
from reelkeeper.domain.message import Message

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
JOB_ID = "596107c1-6a62-45a8-957d-fba778a09755"
RECORD_ID = "recJob00000000001"
FILE_URL = f"https://files.example.com/bucket/{JOB_ID}.mp4"
# To the millisecond, which is what messages and the ledger keep of a moment.
moments = st.integers(0, 10**13).map(lambda milliseconds: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds))
# The shortest way from the first state to each.
WAYS = {
    JobState.SUBMITTED: (),
    JobState.FINISHED: (JobState.FINISHED,),
    JobState.STORED: (JobState.FINISHED, JobState.STORED),
    JobState.PUBLISHED: (JobState.FINISHED, JobState.STORED, JobState.PUBLISHED),
    JobState.KEPT: (JobState.FINISHED, JobState.STORED, JobState.PUBLISHED, JobState.KEPT),
    JobState.FAILED: (JobState.FAILED,),
    JobState.LOST: (JobState.LOST,),
    JobState.REJECTED: (JobState.FINISHED, JobState.REJECTED),
}
assert set(WAYS) == set(TRANSITIONS)


def a_callback_body(**changes: Json) -> str:
    """The body of a callback as NCA sends it (build 209), of a job that worked unless `changes` say otherwise."""
    body: dict[str, Json] = {
        "endpoint": "/v1/video/concatenate",
        "code": 200,
        "id": RECORD_ID,
        "job_id": JOB_ID,
        "response": FILE_URL,
        "message": "success",
        "pid": 24050,
        "queue_id": 140694449305168,
        "run_time": 0.161,
        "queue_time": 1.148,
        "total_time": 1.309,
        "queue_length": 0,
        "build_number": 209,
    }
    return json.dumps(body | changes)


def a_failure_body(message: Json = "ffmpeg error (see stderr output for detail)", **changes: Json) -> str:
    return a_callback_body(**{"code": 500, "response": None, "message": message, **changes})


def a_callback(outcome: Outcome = "success", **changes: Any) -> Callback:
    values: dict[str, Any] = {
        "job_id": JOB_ID,
        "record_id": RECORD_ID,
        "operation": "concatenate",
        "target_id": None,
        "outcome": outcome,
        "outputs": (an_output(),) if outcome == "success" else (),
        "error": "404 Client Error" if outcome == "failure" else None,
        "endpoint": "/v1/video/concatenate",
        "timing": Timing(run_s=0.161, queue_s=1.148, total_s=1.309),
        "sender": Sender(pid="24050", queue_id="140694449305168"),
    }
    return Callback(**(values | changes))


def an_output(url: str | None = FILE_URL, **changes: Any) -> Output:
    values: dict[str, Any] = {"url": url, "role": "file", "name": f"{JOB_ID}.mp4"}
    return Output(**(values | changes))


def a_stored_output(index: int = 0, **changes: Any) -> JobOutput:
    """An output that is in the bucket, with all that is known of it."""
    key = f"outputs/{JOB_ID}/{index}-{JOB_ID}.mp4"
    values: dict[str, Any] = {
        "source_url": FILE_URL,
        "role": "file",
        "name": f"{JOB_ID}.mp4",
        "key": key,
        "size": 1_000_000,
        "checksum": "AAAAAA==",
        "content_type": "video/mp4",
        "permanent_url": f"https://kept.example.net/{key}",
        "stored_at": NOW,
    }
    return JobOutput(**(values | changes))


def a_job(state: JobState = JobState.SUBMITTED, **changes: Any) -> Job:
    """A job that came to `state` by the shortest way, Airtable not yet told."""
    job = Job(
        job_id=JOB_ID,
        state=JobState.SUBMITTED,
        origin="webhook",
        received_at=NOW,
        updated_at=NOW,
        record_id=RECORD_ID,
        operation="concatenate",
        due_at=NOW,
        history=(Event(NOW, "first heard of by webhook"),),
    )
    for step in WAYS[state]:
        job = move(job, step, at=NOW, why="as arranged", due_at=None if step is JobState.KEPT else NOW)
    return replace(job, **changes)


def a_message(body: bytes | None = None, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "body": a_callback_body().encode() if body is None else body,
        "received_at": NOW,
        "query": {"job_id": RECORD_ID, "operation": "concatenate"},
        "content_type": "application/json",
    }
    return Message(**(values | changes))
