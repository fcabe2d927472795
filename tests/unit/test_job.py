"""A job's life: states move along the table only, and the same callbacks end in the same place in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reelkeeper.domain.callback import Callback, Outcome, Sender, Timing
from reelkeeper.domain.job import (
    HISTORY_LENGTH,
    LOOK_AGAIN,
    SETTLED,
    SETTLED_TTL,
    TRANSITIONS,
    VERIFY_AFTER,
    IllegalMove,
    Job,
    JobOutput,
    JobState,
    Shown,
    move,
    note,
    reopened,
    settle_outputs,
    shown,
    stored,
    told,
    tried,
)
from reelkeeper.domain.keeping import passed
from reelkeeper.domain.message import Origin
from reelkeeper.domain.receiving import job_key, receive
from reelkeeper.domain.telling import TELLABLE
from tests.unit.builders import JOB_ID, NOW, RECORD_ID, WAYS, a_callback, a_job, a_stored_output, an_output

SUCCEEDED = (JobState.FINISHED, JobState.STORED, JobState.PUBLISHED, JobState.KEPT)
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(["success", "failure", "unknown"])


def hear(job: Job | None, callback: Callback, *, origin: Origin = "webhook", minutes: int = 1) -> Job:
    return receive(job, callback, key=JOB_ID, origin=origin, at=NOW + timedelta(minutes=minutes))


def hear_all(callbacks: Sequence[Callback], job: Job | None = None) -> Job:
    for minutes, callback in enumerate(callbacks):
        job = hear(job, callback, minutes=minutes)
    assert job is not None
    return job


# The table.


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("following", JobState)
def test_a_state_moves_along_the_table_only(state: JobState, following: JobState) -> None:
    job = a_job(state)
    if following in TRANSITIONS[state]:
        assert move(job, following, at=NOW, why="", due_at=None).state is following
    else:
        with pytest.raises(IllegalMove, match=f"{JOB_ID}: {state} → {following}"):
            move(job, following, at=NOW, why="", due_at=None)


def test_from_where_airtable_shows_a_file_only_its_loss_leads_back() -> None:
    assert TRANSITIONS[JobState.PUBLISHED] == {JobState.KEPT, JobState.FINISHED}
    assert TRANSITIONS[JobState.KEPT] == {JobState.FINISHED}
    for state in (JobState.PUBLISHED, JobState.KEPT):
        again = receive(a_job(state, told_at=NOW), a_callback(), key=JOB_ID, origin="operator", at=NOW)
        assert again.state is state


def test_a_job_whose_object_is_gone_is_copied_again_and_keeps_the_others() -> None:
    job = a_job(JobState.KEPT, told_at=NOW, outputs=(a_stored_output(), a_stored_output(1)))
    again = reopened(job, {1}, at=NOW, why="an object is gone")
    assert (again.state, again.told_at, again.due_at) == (JobState.FINISHED, None, NOW + LOOK_AGAIN)
    assert [output.stored_at for output in again.outputs] == [NOW, None]


def test_what_is_in_airtable_is_remembered_and_a_later_telling_without_it_forgets_nothing() -> None:
    seen = shown(a_job(JobState.STORED, record_id=None), Shown("recJob", "recTarget", True, ("att1",), ("att0",)))
    assert (seen.record_id, seen.target_id, seen.attached, seen.beside) == ("recJob", "recTarget", ("att1",), ("att0",))
    assert shown(seen, Shown("recOther", "recOther")).attached == ("att1",)
    assert move(seen, JobState.PUBLISHED, at=NOW, why="", due_at=None).target_told is False


def test_a_move_has_airtable_yet_to_be_told_and_starts_counting_anew() -> None:
    job = move(a_job(attempts=4, told_at=NOW), JobState.FAILED, at=NOW, why="it broke", due_at=NOW)
    assert (job.told_at, job.attempts, job.settled_at) == (None, 0, NOW)
    assert job.history[-1].what == "failed: it broke"


def test_a_reopened_job_expires_no_more() -> None:
    failed = a_job(JobState.FAILED)
    assert failed.expires_at == NOW + SETTLED_TTL
    assert hear(failed, a_callback()).expires_at is None


# Callbacks.


def test_a_first_callback_makes_the_job() -> None:
    job = hear(None, a_callback(), minutes=0)
    assert (job.job_id, job.state, job.record_id, job.operation) == (JOB_ID, JobState.FINISHED, RECORD_ID, "concatenate")
    assert [output.source_url for output in job.outputs] == [an_output().url]
    assert job.submitted_at == NOW - timedelta(seconds=1.309)
    assert [event.what for event in job.history] == [
        "first heard of by webhook",
        "finished: NCA reports success, 1 output (webhook)",
    ]


@pytest.mark.parametrize("state", SUCCEEDED)
def test_a_late_failure_does_not_undo_a_success(state: JobState) -> None:
    job = a_job(state, outputs=(a_stored_output(),))
    late = hear(job, a_callback("failure"))
    assert replace(late, history=(), updated_at=NOW) == replace(job, history=())
    assert "a late failure was reported" in late.history[-1].what
    assert hear(late, a_callback("failure")) == late


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.LOST, JobState.REJECTED])
def test_a_later_success_reopens_what_had_ended_badly(state: JobState) -> None:
    ended = a_job(state, error="it broke", told_at=NOW, due_at=None)
    job = hear(ended, a_callback(), origin="poll")
    assert (job.state, job.error, job.told_at, job.settled_at, job.origin) == (JobState.FINISHED, None, None, None, "poll")
    assert job.due_at == NOW + timedelta(minutes=1) + LOOK_AGAIN
    assert len(job.outputs) == 1


@pytest.mark.parametrize("state", [JobState.LOST, JobState.REJECTED])
def test_the_success_that_ended_badly_is_no_news_when_the_queue_repeats_it(state: JobState) -> None:
    report = a_callback()
    sources = tuple(JobOutput(source_url=output.url, role=output.role, name=output.name) for output in report.outputs)
    ended = a_job(state, outputs=sources, told_at=NOW)
    repeated = hear(ended, report)
    assert (repeated.state, repeated.told_at) == (state, NOW)
    assert hear(repeated, report) == repeated
    assert hear(ended, report, origin="operator").state is JobState.FINISHED


def test_a_failure_is_kept_with_its_reason() -> None:
    job = hear(a_job(), a_callback("failure", error="no such filter"))
    assert (job.state, job.error, job.outputs) == (JobState.FAILED, "no such filter", ())


def test_a_rejected_job_stays_rejected_whatever_else_fails() -> None:
    assert hear(a_job(JobState.REJECTED), a_callback("failure")) == a_job(JobState.REJECTED)


def test_a_report_that_says_nothing_is_noted_once() -> None:
    once = hear(None, a_callback("unknown"))
    assert (once.state, once.due_at) == (JobState.SUBMITTED, NOW + timedelta(minutes=1) + LOOK_AGAIN)
    assert hear(once, a_callback("unknown"), minutes=9) == once


@pytest.mark.parametrize("state", JobState)
def test_a_repetition_changes_nothing_where_the_files_are(state: JobState) -> None:
    for outcome in ("success", "failure", "unknown"):
        once = hear(a_job(state), a_callback(outcome))
        if once.state is state or outcome != "success":
            assert hear(once, a_callback(outcome), minutes=2) == once


def test_what_one_callback_left_open_another_fills_in_and_none_replaces() -> None:
    job = hear(None, a_callback("unknown", record_id=None, operation=None))
    job = hear(job, a_callback("unknown", target_id="recSegment"))
    job = hear(job, a_callback("unknown", record_id="recOther", operation="combine", target_id="recOther"))
    assert (job.record_id, job.operation, job.target_id) == (RECORD_ID, "concatenate", "recSegment")


@given(st.lists(outcomes.map(a_callback), min_size=1, max_size=8), st.randoms())
def test_the_same_callbacks_in_any_order_and_repeated_end_in_the_same_state(callbacks: list[Callback], random: Random) -> None:
    shuffled = [*callbacks, *callbacks]
    random.shuffle(shuffled)
    one, other = hear_all(callbacks), hear_all(shuffled)
    assert (one.state, one.outputs, one.error) == (other.state, other.outputs, other.error)


@pytest.mark.parametrize(("seconds", "since"), [(None, 0), (-5.0, 0), (60.0, 60), (1e300, SETTLED_TTL.total_seconds())])
def test_when_it_was_submitted_is_estimated_within_reason(seconds: float | None, since: float) -> None:
    job = hear(None, a_callback(timing=Timing(total_s=seconds)), minutes=0)
    assert job.submitted_at == NOW - timedelta(seconds=since)


def test_the_newest_sender_is_remembered() -> None:
    job = hear(a_job(), a_callback(sender=Sender(pid="2")))
    assert job.sender.pid == "2"


# The key.


def test_a_job_is_known_by_ncas_id_else_by_its_row_else_by_its_bytes() -> None:
    assert job_key(a_callback(), b"x") == JOB_ID
    assert job_key(a_callback(job_id=None), b"x") == f"record-{RECORD_ID}"
    bare = a_callback(job_id=None, record_id=None)
    assert job_key(bare, b"x") == job_key(bare, b"x") != job_key(bare, b"y")
    assert job_key(bare, b"").startswith("body-")


# From the file to the record.


def test_a_job_is_stored_with_its_last_output() -> None:
    job = hear(None, a_callback(outputs=(an_output(), an_output("https://x/2.mp4"))))
    half = stored(job, 1, a_stored_output(1), at=NOW)
    assert (half.state, half.outputs[0].stored_at) == (JobState.FINISHED, None)
    whole = stored(half, 0, a_stored_output(), at=NOW)
    assert (whole.state, whole.due_at) == (JobState.STORED, NOW + LOOK_AGAIN)
    assert [output.key for output in whole.outputs] == [a_stored_output(index).key for index in (0, 1)]
    assert whole.history[-1].what == "stored: 2 in the bucket, 2.0 MB"


def test_a_job_without_a_file_is_stored_at_once() -> None:
    job = settle_outputs(hear(None, a_callback(outputs=())), at=NOW)
    assert (job.state, job.history[-1].what) == (JobState.STORED, "stored: the job made no file")


def test_outputs_settle_only_a_finished_job() -> None:
    assert settle_outputs(a_job(JobState.PUBLISHED), at=NOW) == a_job(JobState.PUBLISHED)


def test_a_told_success_is_published_and_looked_at_again() -> None:
    job = told(a_job(JobState.STORED, attempts=3), at=NOW, what="Airtable shows it")
    assert (job.state, job.told_at, job.due_at, job.attempts) == (JobState.PUBLISHED, NOW, NOW + VERIFY_AFTER, 0)
    assert job.done


def test_a_told_failure_is_done() -> None:
    job = told(a_job(JobState.FAILED), at=NOW, what="Airtable shows it")
    assert (job.state, job.told_at, job.due_at) == (JobState.FAILED, NOW, None)
    assert job.done


@pytest.mark.parametrize("state", JobState)
def test_a_job_of_which_airtable_knows_nothing_is_not_done(state: JobState) -> None:
    assert not a_job(state).done


def test_a_try_in_vain_is_counted_and_says_when_it_comes_again() -> None:
    later = NOW + timedelta(hours=1)
    job = tried(a_job(JobState.STORED, attempts=2), at=NOW, why="Airtable answers 503", due_at=later)
    assert (job.state, job.attempts, job.due_at, job.history[-1].what) == (JobState.STORED, 3, later, "Airtable answers 503")


def test_the_history_keeps_its_first_line_and_its_last() -> None:
    job = a_job()
    for number in range(500):
        job = note(job, at=NOW, what=str(number))
    assert len(job.history) == HISTORY_LENGTH
    assert job.history[0].what == "first heard of by webhook"
    assert [event.what for event in job.history[1:]] == [str(number) for number in range(501 - HISTORY_LENGTH, 500)]


class Life(RuleBasedStateMachine):
    """A job to which anything happens in any order, as several workers and senders make it happen."""

    def __init__(self) -> None:
        super().__init__()
        self.job = a_job()
        self.before = self.job
        self.now = NOW
        self.succeeded = False

    def become(self, job: Job) -> None:
        self.before, self.job = self.job, job
        self.now += timedelta(minutes=1)

    @initialize(outcome=outcomes)
    def first(self, outcome: Outcome) -> None:
        self.become(receive(None, a_callback(outcome), key=JOB_ID, origin="webhook", at=self.now))
        self.before = self.job
        self.succeeded = outcome == "success"

    @rule(outcome=outcomes, origin=st.sampled_from(["webhook", "poll", "operator"]), count=st.integers(0, 3))
    def callback(self, outcome: Outcome, origin: Origin, count: int) -> None:
        outputs = tuple(an_output(f"https://x/{number}.mp4") for number in range(count)) if outcome == "success" else ()
        self.become(receive(self.job, a_callback(outcome, outputs=outputs), key=JOB_ID, origin=origin, at=self.now))
        self.succeeded |= outcome == "success"

    @precondition(lambda self: self.job.state is JobState.FINISHED)
    @rule(chosen=st.integers(0, 9))
    def copy(self, chosen: int) -> None:
        missing = [index for index, output in enumerate(self.job.outputs) if output.stored_at is None]
        if missing:
            index = missing[chosen % len(missing)]
            self.become(stored(self.job, index, a_stored_output(index), at=self.now))
        else:
            self.become(settle_outputs(self.job, at=self.now))

    @precondition(lambda self: JobState.REJECTED in TRANSITIONS[self.job.state])
    @rule()
    def reject(self) -> None:
        self.become(move(self.job, JobState.REJECTED, at=self.now, why="HTML", due_at=self.now + LOOK_AGAIN))

    @precondition(lambda self: JobState.LOST in TRANSITIONS[self.job.state])
    @rule()
    def lose(self) -> None:
        self.become(move(self.job, JobState.LOST, at=self.now, why="forgotten", due_at=self.now + LOOK_AGAIN))

    @precondition(lambda self: self.job.state in TELLABLE and self.job.told_at is None)
    @rule()
    def tell(self) -> None:
        self.become(told(self.job, at=self.now, what="Airtable shows it"))

    @rule()
    def try_in_vain(self) -> None:
        if self.job.state not in SETTLED:
            self.become(tried(self.job, at=self.now, why="not yet", due_at=self.now + LOOK_AGAIN))

    @precondition(lambda self: self.job.state is JobState.PUBLISHED)
    @rule()
    def audit(self) -> None:
        self.become(passed(self.job, at=self.now, why="whole", chance=0.5))

    @precondition(lambda self: self.job.state in (JobState.PUBLISHED, JobState.KEPT) and self.job.outputs)
    @rule()
    def lose_an_object(self) -> None:
        self.become(reopened(self.job, {0}, at=self.now, why="gone"))

    @invariant()
    def states_move_along_the_table(self) -> None:
        assert self.job.state is self.before.state or self.job.state in TRANSITIONS[self.before.state]

    @invariant()
    def a_success_is_never_undone_by_a_failure(self) -> None:
        assert not (self.succeeded and self.job.state is JobState.FAILED and self.before.state in SUCCEEDED)

    @invariant()
    def what_is_not_settled_is_looked_at_again(self) -> None:
        # A lost job that Airtable has been told of waits for an operator, or for a later success.
        waits = self.job.state is JobState.LOST and self.job.told_at is not None
        assert self.job.state in SETTLED or waits or self.job.due_at is not None

    @invariant()
    def what_airtable_does_not_know_yet_is_looked_at_again(self) -> None:
        assert self.job.told_at is not None or self.job.due_at is not None or self.job.state is JobState.KEPT

    @invariant()
    def only_the_settled_expire(self) -> None:
        assert (self.job.settled_at is not None) is (self.job.state in SETTLED)

    @invariant()
    def the_history_is_bounded_and_keeps_its_beginning(self) -> None:
        assert 1 <= len(self.job.history) <= HISTORY_LENGTH
        assert self.job.history[0].what.startswith("first heard of")

    @invariant()
    def a_stored_job_has_every_output(self) -> None:
        if self.job.state in SUCCEEDED[1:]:
            assert all(output.stored_at is not None for output in self.job.outputs)


TestLife = Life.TestCase


def test_every_way_of_the_builders_is_one_of_the_table() -> None:
    assert {state: a_job(state).state for state in WAYS} == {state: state for state in JobState}
