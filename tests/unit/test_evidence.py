"""Only proof fails a job: what each piece of evidence amounts to, alone and in any order."""

import re
from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeeper.domain.callback import Sender
from reelkeeper.domain.evidence import CONFIRMED_AFTER, Evidence, Judgement, Search, Silence, Told, Verdict, judge
from reelkeeper.domain.job import JobState
from tests.unit.builders import a_callback
from tests.unit.cloudformation import ROOT
from tests.unit.histories import play

WORKER = Sender("24050", "140694449305168")
NOTHING, FILE = Search(whole=True), Search(("https://nca.example.com/b/job_output_0.mp4",), whole=True)


def told(job_status: str = "done", **changes: object) -> Told:
    values: dict[str, object] = {"job_status": job_status, "worker": WORKER, "report": None}
    return Told(**(values | changes))  # type: ignore[arg-type]


def test_a_success_that_nca_reports_is_finished() -> None:
    assert judge(Evidence(told=told(report=a_callback()))).verdict is Verdict.FINISHED


def test_done_with_a_failure_inside_has_failed_and_says_why() -> None:
    found = judge(Evidence(told=told(report=a_callback("failure"))))
    assert (found.verdict, found.proven) == (Verdict.FAILED, True)
    assert "404 Client Error" in found.why


@pytest.mark.parametrize("job_status", ["queued", "running", "submitted"])
def test_what_nca_says_is_under_way_runs_at_any_age(job_status: str) -> None:
    found = judge(Evidence(told=told(job_status), search=NOTHING, gone_for=timedelta(days=9)))
    assert (found.verdict, found.proven) == (Verdict.RUNNING, False)


def test_a_running_job_is_not_finished_by_the_first_of_its_files() -> None:
    assert judge(Evidence(told=told("running"), search=FILE)).verdict is Verdict.RUNNING


def test_the_bulk_answer_alone_says_that_a_job_runs() -> None:
    assert judge(Evidence(listed="running")).verdict is Verdict.RUNNING


@pytest.mark.parametrize("listed", [None, "done", "failed", "nonsense"])
def test_the_bulk_answer_alone_ends_nothing(listed: str | None) -> None:
    assert judge(Evidence(listed=listed)).verdict is Verdict.UNKNOWN


def test_a_job_of_a_dead_worker_is_given_up_once_the_listed_bucket_showed_nothing_twice() -> None:
    dead = told("queued", worker_gone=True)
    first = judge(Evidence(told=dead, search=NOTHING))
    again = judge(Evidence(told=dead, search=NOTHING, gone_for=CONFIRMED_AFTER))
    assert (first.verdict, first.proven) == (Verdict.NCA_RESTARTED, False)
    assert (again.verdict, again.proven) == (Verdict.NCA_RESTARTED, True)


def test_a_job_that_nca_forgot_is_given_up_once_the_listed_bucket_showed_nothing_twice() -> None:
    first = judge(Evidence(told=Silence.NOT_FOUND, search=NOTHING))
    again = judge(Evidence(told=Silence.NOT_FOUND, search=NOTHING, gone_for=CONFIRMED_AFTER))
    assert (first.verdict, first.proven) == (Verdict.FORGOTTEN, False)
    assert (again.verdict, again.proven) == (Verdict.FORGOTTEN, True)


@pytest.mark.parametrize("search", [None, Search(whole=False)])
def test_without_a_listing_nothing_is_ever_given_up(search: Search | None) -> None:
    for what in (Silence.NOT_FOUND, told("running", worker_gone=True)):
        assert not judge(Evidence(told=what, search=search, gone_for=timedelta(days=30))).proven


@pytest.mark.parametrize("what", [Silence.NOT_FOUND, told("queued", worker_gone=True), Silence.NO_ROUTE, told()])
def test_a_file_in_the_bucket_finishes_what_nca_will_not(what: Told | Silence) -> None:
    assert judge(Evidence(told=what, search=FILE, gone_for=timedelta(days=1))).verdict is Verdict.FINISHED


def test_some_of_the_files_are_not_the_job() -> None:
    found = judge(Evidence(told=Silence.NOT_FOUND, search=FILE, expected=2, gone_for=CONFIRMED_AFTER))
    assert (found.verdict, found.proven) == (Verdict.FORGOTTEN, True)
    assert "1 of 2" in found.why


def test_files_that_came_just_now_may_not_be_all() -> None:
    fresh = Search(FILE.urls, whole=True, settled=False)
    assert judge(Evidence(told=Silence.NO_ROUTE, search=fresh)).verdict is Verdict.UNKNOWN
    assert not judge(Evidence(told=Silence.NOT_FOUND, search=fresh, gone_for=timedelta(days=1))).proven


def test_a_queue_in_which_nothing_moves_is_a_dead_thread_and_fails_nothing() -> None:
    found = judge(Evidence(told=told("queued"), search=NOTHING, idle_for=timedelta(minutes=11)))
    assert (found.verdict, found.proven) == (Verdict.THREAD_DEAD, False)


@pytest.mark.parametrize("what", [Silence.NO_ANSWER, Silence.MALFORMED, Silence.NOT_ASKED])
def test_silence_changes_nothing(what: Silence) -> None:
    assert judge(Evidence(told=what, search=NOTHING, gone_for=timedelta(days=9))) == Judgement(
        Verdict.UNKNOWN, judge(Evidence(told=what)).why
    )


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_no_order_or_repetition_of_evidence_fails_a_job_that_has_its_output_or_still_runs(seed: int) -> None:
    for ended in play(Random(seed), jobs=6):
        assert not ended.falsely_failed, ended
        assert not ended.falsely_completed, ended


def test_the_histories_have_every_kind_of_end_and_most_are_found() -> None:
    ends = [ended for seed in range(150) for ended in play(Random(seed), jobs=6)]
    found = Counter((ended.life.end, ended.job.state) for ended in ends if ended.job is not None)
    assert {end for end, _ in found} == {"success", "failure", "lost"}
    assert found["lost", JobState.LOST] > 10
    assert found["success", JobState.FINISHED] > 300
    assert found["failure", JobState.FAILED] > 50


def test_the_table_in_the_docs_names_every_verdict() -> None:
    text = (ROOT / "docs" / "recovery.md").read_text("utf-8")
    table = text.split("## From evidence to verdict", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| [^|]+ \| `(\w+)`", table, re.MULTILINE)
    assert set(named) == set(Verdict)
