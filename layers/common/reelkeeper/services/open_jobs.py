"""The open jobs of a sweep: asked for, looked for, judged, and each verdict acted on, the most promising first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reelkeeper.adapters.nca import NotFound, Status
from reelkeeper.domain.evidence import Evidence, Judgement, Search, Silence, Told, Verdict, judge
from reelkeeper.domain.fleet import Fleet, see, watch
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.timing import Durations, next_look
from reelkeeper.services import act, ask, incidents, nca_files
from reelkeeper.services.resubmit import Loss, resubmit
from reelkeeper.services.round import Round, portions
from reelkeeper.telemetry import logger

# So many are asked for, judged and written before the next: what a sweep that ends early has done is done.
_PORTION = 200


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the open jobs: how many had each verdict, messages sent in, jobs given up, jobs handed in anew."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    sent: int = 0
    lost: int = 0
    resubmitted: int = 0

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered(
            self.verdicts + other.verdicts,
            self.sent + other.sent,
            self.lost + other.lost,
            self.resubmitted + other.resubmitted,
        )


@dataclass(frozen=True, slots=True)
class _Case:
    """One job with everything the sweep knows of it; `search` still has the thumbnails that the evidence does not count."""

    job: Job
    status: Status | None
    search: Search | None
    evidence: Evidence
    judgement: Judgement


def recover(sweep: Round, jobs: Sequence[Job]) -> Recovered:
    """Go after these jobs until the sweep must end; what NCA does not answer for stays as it is, and due."""
    asked = ask.ask_all(sweep, jobs)
    if asked.silence is Silence.NO_ANSWER:
        return Recovered()
    if not jobs:
        incidents.note(sweep, {})
        return Recovered()
    notebook = sweep.outside.notebook
    fleet = see(notebook.fleet(), asked.answered_by, at=sweep.clock())
    fleet = watch(fleet, asked.listed, at=sweep.clock()) if asked.answered_by else fleet
    operations = {job.operation for job in jobs if job.operation} & set(sweep.outside.mapping.operations)
    durations = notebook.durations(operations)
    recovered = Recovered()
    for some in portions(_in_order(jobs, asked), _PORTION):
        if sweep.over:
            break
        answers = ask.ask_singly(sweep, [job for job in some if ask.wants_a_single(job, asked, fleet, sweep)])
        fleet = see(fleet, ask.workers(answers), at=sweep.clock())
        recovered += _act(sweep, _cases(sweep, some, asked, answers, fleet), durations)
        if ask.down(answers):
            logger.warning("NCA stopped answering: the other jobs stay due")
            break
    notebook.keep_fleet(fleet)
    incidents.note(sweep, recovered.verdicts)
    return recovered


def _in_order(jobs: Sequence[Job], asked: ask.Asked) -> list[Job]:
    """What NCA says is done first: however many hopeless jobs there are, they keep none of these waiting."""
    return sorted(jobs, key=lambda job: asked.listed.get(job.job_id) not in ("done", "failed"))


def _cases(
    sweep: Round,
    jobs: Sequence[Job],
    asked: ask.Asked,
    answers: Mapping[str, Status | NotFound | Silence],
    fleet: Fleet,
) -> list[_Case]:
    """The jobs with their evidence and what it amounts to."""
    all_answers = {job.job_id: answers.get(job.job_id, Silence.NOT_ASKED) for job in jobs}
    told = {job.job_id: ask.told(all_answers[job.job_id], job, fleet=fleet, sweep=sweep) for job in jobs}
    searches = nca_files.search(sweep, [job for job in jobs if nca_files.wants_a_search(told[job.job_id])])
    expected = nca_files.expected_files(sweep, [job for job in jobs if job.job_id in searches and searches[job.job_id].urls])
    at = sweep.clock()
    cases = []
    for job in jobs:
        answer, search = all_answers[job.job_id], searches.get(job.job_id)
        evidence = Evidence(
            listed=asked.listed.get(job.job_id),
            told=told[job.job_id],
            search=nca_files.without_thumbnails(search) if search is not None else None,
            expected=expected.get(job.job_id),
            gone_for=at - job.gone_since if job.gone_since else timedelta(),
            idle_for=_idle_for(answer, fleet, at),
        )
        status = answer if isinstance(answer, Status) else None
        cases.append(_Case(job, status, search, evidence, _judged(sweep, job, evidence)))
    return cases


def _judged(sweep: Round, job: Job, evidence: Evidence) -> Judgement:
    """The verdict; a job of an operation we do not know may be another service's, which NCA never had and cannot have lost."""
    judgement = judge(evidence)
    known = job.operation in sweep.outside.mapping.operations
    return judgement if known or judgement.verdict is not Verdict.FORGOTTEN else replace(judgement, proven=False)


def _idle_for(answer: Status | NotFound | Silence, fleet: Fleet, at: datetime) -> timedelta:
    """How long the job's own worker has stood still, though it answers."""
    if fleet.idle_since is None or not isinstance(answer, Status):
        return timedelta()
    return at - fleet.idle_since if fleet.answered(answer.sender, since=fleet.idle_since) else timedelta()


def _act(sweep: Round, cases: Sequence[_Case], durations: Mapping[str, Durations]) -> Recovered:
    """Write each verdict on its job, then send in what is to be sent, then see to what was lost."""
    by_job = {case.job.job_id: case for case in cases}
    won = act.write(sweep, [_decided(sweep, case, durations) for case in cases])
    lost = [decision.job for decision in won if decision.job.state is JobState.LOST]
    sent = act.send(sweep, [decision for decision in won if decision.body is not None])
    handed_in = resubmit(sweep, [Loss(job, was_running=_was_running(by_job[job.job_id])) for job in lost])
    # Those that go on as another job are told of by that one.
    untold = [act.Decision(job, text=act.nudge(job, sweep)) for job in lost if not handed_in.get(job.job_id, False)]
    sent += act.send(sweep, untold)
    verdicts = Counter(case.judgement.verdict for case in cases)
    return Recovered(verdicts, sent, len(lost), len(handed_in))


def _decided(sweep: Round, case: _Case, durations: Mapping[str, Durations]) -> act.Decision:
    wait = next_look(ask.age(case.job, sweep), durations.get(case.job.operation or ""), chance=sweep.chance())
    return act.decide(case.job, case.judgement, at=sweep.clock(), look_again=wait, status=case.status, search=case.search)


def _was_running(case: _Case) -> bool:
    """Whether it was this job that its worker died of, as far as that can be told."""
    told = case.evidence.told
    return isinstance(told, Told) and told.job_status == "running"
