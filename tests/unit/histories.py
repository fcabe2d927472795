"""Generated histories of jobs with known truth, and the evidence that looks at them give: for properties and benchmarks.

A history is one NCA with some workers, killed and restarted at random, with or without its job files; its jobs are quick or
slow, succeed or fail, lose their callback or are lost themselves. A look sees what a sweep could see at that moment, including
nothing at all: NCA may not answer, answer nonsense, or know no status route, and the bucket may not be listable.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from reelkeeper.domain.callback import Callback, Output, Sender, Timing
from reelkeeper.domain.evidence import Evidence, Search, Silence, Told, Verdict, judge
from reelkeeper.domain.evidence import Judgement as Judged
from reelkeeper.domain.fleet import Fleet, gone, see
from reelkeeper.domain.job import Job, JobState, move
from reelkeeper.domain.receiving import receive
from tests.unit.builders import NOW

End = Literal["success", "failure", "lost"]


@dataclass(frozen=True, slots=True)
class Life:
    """What really happened to one job. `ended_at` None: it was lost with its worker at `killed_at`."""

    job_id: str
    worker: Sender
    submitted_at: datetime
    began_at: datetime
    ended_at: datetime | None
    end: End
    files: int
    killed_at: datetime | None
    forgotten_at: datetime | None
    uploaded: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """One NCA: when each worker lived, and its jobs. `declared` is what a person said of the number of workers."""

    lives: tuple[Life, ...]
    alive: tuple[tuple[Sender, datetime, datetime], ...]
    declared: int
    listable: bool
    routes: bool

    def workers_at(self, at: datetime) -> list[Sender]:
        return [worker for worker, born, died in self.alive if born <= at < died]


def a_history(random: Random, *, jobs: int) -> History:
    """A history of a day, with so many jobs."""
    workers = random.choice((1, 1, 2, 3))
    kills = sorted(NOW + timedelta(minutes=random.uniform(10, 1_400)) for _ in range(random.choice((0, 1, 2, 4))))
    keeps_files = random.random() < 0.5
    alive = _generations(random, workers, kills)
    lives = tuple(_life(random, number, alive, kills, keeps_files=keeps_files) for number in range(jobs))
    declared = random.choice((0, workers))
    return History(lives, alive, declared, listable=random.random() < 0.7, routes=random.random() < 0.9)


def _generations(random: Random, workers: int, kills: list[datetime]) -> tuple[tuple[Sender, datetime, datetime], ...]:
    """Each kill takes one worker or all of them; a new one begins in its place at once."""
    far = NOW + timedelta(days=30)
    living = [(_worker(random), NOW - timedelta(days=1)) for _ in range(workers)]
    done: list[tuple[Sender, datetime, datetime]] = []
    for kill in kills:
        doomed = living if random.random() < 0.5 else [random.choice(living)]
        done += [(worker, born, kill) for worker, born in doomed]
        living = [one for one in living if one not in doomed] + [(_worker(random), kill) for _ in doomed]
    return (*done, *((worker, born, far) for worker, born in living))


def _worker(random: Random) -> Sender:
    return Sender(str(random.randrange(1_000, 60_000)), str(random.randrange(139 * 10**12, 141 * 10**12)))


def _life(
    random: Random,
    number: int,
    alive: tuple[tuple[Sender, datetime, datetime], ...],
    kills: list[datetime],
    *,
    keeps_files: bool,
) -> Life:
    submitted_at = NOW + timedelta(minutes=random.uniform(0, 1_400))
    worker, _, died = random.choice([one for one in alive if one[1] <= submitted_at < one[2]])
    began_at = submitted_at + timedelta(seconds=random.choice((1, 20, 600, 1_620)) * random.random())
    ended_at = began_at + timedelta(seconds=random.choice((3, 30, 150, 1_020, 7_200)) * (0.5 + random.random()))
    files = random.choice((1, 1, 1, 3))
    killed = died <= ended_at
    # Job files lie on the container's own disk: whatever ends the whole of it takes them along.
    whole = [kill for kill in kills if kill > submitted_at and all(death <= kill or born >= kill for _, born, death in alive)]
    forgotten_at = None if keeps_files or not whole else whole[0]
    if killed:
        uploaded = random.randrange(files) if died > began_at else 0
        return Life(f"job-{number}", worker, submitted_at, began_at, None, "lost", files, died, forgotten_at, uploaded)
    end: End = "failure" if random.random() < 0.15 else "success"
    return Life(
        f"job-{number}",
        worker,
        submitted_at,
        began_at,
        ended_at,
        end,
        files,
        None,
        forgotten_at,
        files if end == "success" else 0,
    )


@dataclass(slots=True)
class Watcher:
    """Sweeps that look at one history's jobs; what they remember between looks is what the ledger keeps."""

    history: History
    random: Random
    fleet: Fleet = Fleet()

    def look(self, life: Life, at: datetime, *, gone_since: datetime | None, known_since: datetime) -> Judged:
        """The verdict of one look, from whatever of the evidence could be had this time."""
        told = self._told(life, at, known_since)
        searched = self.random.random() < 0.8
        search = self._search(life, at) if searched else None
        listed = None if self.random.random() < 0.3 or isinstance(told, Silence) else told.job_status
        expected = life.files if self.random.random() < 0.7 else None
        if expected is None and life.end == "lost" and life.uploaded not in (0, life.files):
            # Nobody could tell a part from the whole without the request; the sweep reads it for these.
            expected = life.files
        gone_for = at - gone_since if gone_since else timedelta()
        return judge(Evidence(listed=listed, told=told, search=search, expected=expected, gone_for=gone_for))

    def _told(self, life: Life, at: datetime, known_since: datetime) -> Told | Silence:
        if not self.history.routes:
            return Silence.NO_ROUTE
        if self.random.random() < 0.2:
            return self.random.choice((Silence.NO_ANSWER, Silence.MALFORMED, Silence.NOT_ASKED))
        answering = self.random.choice(self.history.workers_at(at))
        self.fleet = see(self.fleet, [answering], at=at)
        if life.forgotten_at is not None and at >= life.forgotten_at:
            return Silence.NOT_FOUND
        dead = gone(self.fleet, life.worker, since=known_since, workers=self.history.declared)
        if life.ended_at is not None and at >= life.ended_at:
            return Told("done", life.worker, a_report(life), worker_gone=dead)
        frozen = min(at, life.killed_at or at)
        return Told("running" if frozen >= life.began_at else "queued", life.worker, None, worker_gone=dead)

    def _search(self, life: Life, at: datetime) -> Search:
        when = life.ended_at or life.killed_at or at
        there = life.uploaded if at >= when else 0
        if life.ended_at is not None and life.end == "success" and life.began_at < at < life.ended_at:
            there = self.random.randrange(life.files)
        urls = tuple(f"https://nca.example.com/b/{life.job_id}_output_{index}.mp4" for index in range(there))
        settled = at - when > timedelta(minutes=5) if at >= when else False
        if self.history.listable:
            return Search(urls, whole=True, settled=settled)
        # Guessed: a name that was not thought of, or an address that answers 403.
        return Search(urls if self.random.random() < 0.5 else (), whole=False, settled=settled)


def a_report(life: Life) -> Callback:
    """What NCA's own report on an ended job says."""
    good = life.end == "success"
    return Callback(
        job_id=life.job_id,
        record_id=None,
        operation=None,
        target_id=None,
        outcome="success" if good else "failure",
        outputs=(Output(f"https://nca.example.com/b/{life.job_id}_output_0.mp4", "file", "output_0.mp4"),) if good else (),
        error=None if good else "ffmpeg error",
        endpoint=None,
        timing=Timing(),
        sender=life.worker,
    )


def looks(random: Random, life: Life, *, most: int = 12) -> Iterator[datetime]:
    """Moments at which sweeps look at a job: never before it is five minutes old, at any distance from each other."""
    at = life.submitted_at + timedelta(minutes=5)
    for _ in range(most):
        yield at
        at += timedelta(minutes=random.choice((0, 1, 5, 12, 30, 300)) * random.random())


@dataclass(frozen=True, slots=True)
class Ended:
    """One job at the end of the watching: what really became of it, how the ledger has it, and whether it was ever failed
    though it was not."""

    life: Life
    job: Job | None
    falsely_failed: bool
    falsely_completed: bool


def play(random: Random, *, jobs: int) -> Iterator[Ended]:
    """Watch a whole history through callbacks and sweeps, in the order of time, and tell what the ledger made of each job.

    Callbacks may be lost, come twice, or carry no id; the submitting call may have been answered 524, so that nobody knows of
    the job until its callback comes. What a sweep finds is folded in as persist would.
    """
    history = a_history(random, jobs=jobs)
    watcher = Watcher(history, random)
    lives = {life.job_id: life for life in history.lives}
    known: dict[str, Job] = {}
    wrong: dict[str, set[str]] = {job_id: set() for job_id in lives}
    for at, job_id, what in sorted(moment for life in history.lives for moment in _moments(random, life)):
        life = lives[job_id]
        known |= _at(what, life, at, known.get(job_id), watcher)
        job = known.get(job_id)
        over = life.end if life.ended_at is not None and life.ended_at <= at else None
        dead = life.killed_at is not None and life.killed_at <= at
        if job is not None and job.state in (JobState.FAILED, JobState.LOST) and over != "failure" and not dead:
            wrong[job_id].add("failed")
        if job is not None and job.state is JobState.FINISHED and over != "success" and life.uploaded != life.files:
            wrong[job_id].add("completed")
    for job_id, life in lives.items():
        yield Ended(life, known.get(job_id), "failed" in wrong[job_id], "completed" in wrong[job_id])


def _moments(random: Random, life: Life) -> Iterator[tuple[datetime, str, str]]:
    """What happens around a job: callbacks that come, sweeps that look; one answered 524 is in no row and never looked at."""
    answered_524 = random.random() < 0.05
    if life.ended_at is not None:
        for _ in range(1 if answered_524 else random.choice((0, 0, 1, 1, 1, 2, 3))):
            late = random.choice((0.0, 1.0, 3_600.0)) * random.random()
            yield life.ended_at + timedelta(seconds=late), life.job_id, "callback"
    if not answered_524:
        for at in looks(random, life):
            yield at, life.job_id, "look"


def _at(what: str, life: Life, at: datetime, job: Job | None, watcher: Watcher) -> dict[str, Job]:
    """The job after a callback or a look; nothing where a look finds a job that is done with."""
    if what == "callback":
        return {life.job_id: receive(job, a_report(life), key=life.job_id, origin="webhook", at=at)}
    if job is None:
        job = Job(life.job_id, JobState.SUBMITTED, "poll", at, at, submitted_at=life.submitted_at, due_at=at)
    if job.state is not JobState.SUBMITTED:
        return {}
    found = watcher.look(life, at, gone_since=job.gone_since, known_since=job.received_at)
    if found.verdict is Verdict.FINISHED:
        return {life.job_id: receive(job, replace(a_report(life), outcome="success"), key=life.job_id, origin="poll", at=at)}
    if found.verdict is Verdict.FAILED:
        return {life.job_id: receive(job, a_report(life), key=life.job_id, origin="poll", at=at)}
    if found.proven:
        return {life.job_id: move(job, JobState.LOST, at=at, why=found.why, due_at=None)}
    since = (job.gone_since or at) if found.gone else None if found.verdict is Verdict.RUNNING else job.gone_since
    return {life.job_id: replace(job, gone_since=since)}
