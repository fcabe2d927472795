"""Persist a batch of callbacks: each into the ledger, its outputs into the bucket, then all of them into Airtable at once.

At-least-once delivery, one effect: what the ledger says is done is not done again, and each job has one worker at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from reelkeeper.domain.callback import Callback, parse
from reelkeeper.domain.errors import Gone, Refused, RetryLater, Unfinished
from reelkeeper.domain.job import LOOK_AGAIN, Job, JobState, carried_on, job_key, receive, shown, told, tried
from reelkeeper.domain.message import CALLBACKS_PREFIX, INBOX_PREFIX, Message, NotAMessage, Pointer, decode, encode, point
from reelkeeper.domain.ping import answered
from reelkeeper.domain.references import references
from reelkeeper.domain.telling import TELLABLE
from reelkeeper.domain.timing import LONGEST_IN_LEDGER, LONGEST_IN_QUEUE, retry_delay, spread
from reelkeeper.domain.trace import trace_id
from reelkeeper.metric import Metric
from reelkeeper.services.lease import Leases
from reelkeeper.services.outputs import Run as CopyRun
from reelkeeper.services.outputs import copy_outputs
from reelkeeper.services.outside import WIDTH, Outside
from reelkeeper.services.publish import Telling, publish
from reelkeeper.telemetry import about, logger, of, record

Clock = Callable[[], datetime]
# After so many tries a job is left to the ledger, whose delays are longer; the message is kept there.
TRIES_IN_QUEUE = 5
# A message that makes our own code fail is tried this often, then buried with the reason.
TRIES_OF_POISON = 4
# One long copy must not keep a batch's other jobs waiting, and each telling costs requests whatever their number.
TELL_EVERY_S = 15.0
# Two full writes to each table beside the three reads. Fewer cost more each, and wait for others, up to 45 s in all.
WORTH_TELLING = 20
HELD_AT_MOST = 3
# A run gives its lease back before the next one begins.
_A_MOMENT = timedelta(seconds=5)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One SQS message as it was delivered; `receives` counts this time too."""

    message_id: str
    receipt: str
    text: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """A delivery and what it says; `inbox_key` is where it lay if the queue carried only a pointer."""

    delivery: Delivery
    message: Message
    callback: Callback
    inbox_key: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job came: `job` is to be told to Airtable, `again` comes back after that time, neither means done."""

    job: Job | None = None
    again: timedelta | None = None


def persist(
    deliveries: Sequence[Delivery],
    *,
    outside: Outside,
    clock: Clock,
    chance: Callable[[], float],
    owner: str,
    tell_every_s: float = TELL_EVERY_S,
    ends_at: datetime | None = None,
) -> tuple[str, ...]:
    """Work through a batch and return the ids of the messages that must come again.

    Copies stop in time before `ends_at` (None: never), and go on from there in another run, by a message of their own.
    Airtable is told of all jobs at once. While some still copy it is told of those that are ready: every `tell_every_s` seconds
    where they are enough to be worth their requests, every third time in any case.
    """
    with Leases(outside.ledger, outside.queue, owner=owner, clock=clock) as leases:
        run = _Run(outside, clock, chance, leases, ends_at or _NEVER)
        heard, unread = run.open(deliveries)
        again = run.send_back(unread)
        run.feel_pulse(heard)
        # Jobs wait for their copies, so that the two have threads of their own.
        with ThreadPoolExecutor(WIDTH) as copying, ThreadPoolExecutor(max(len(heard), 1)) as working:
            under_way = {
                key: working.submit(run.safely, heard[key], partial(run.advance, key, heard[key], copying)) for key in heard
            }
            held = 0
            while under_way:
                wait(under_way.values(), timeout=tell_every_s)
                ready = {key: step.result() for key, step in under_way.items() if step.done()}
                held += 1
                if len(ready) < len(under_way) and held < HELD_AT_MOST and _to_tell(ready) < WORTH_TELLING:
                    ready = {key: step for key, step in ready.items() if step.job is None}
                else:
                    held = 0
                under_way = {key: step for key, step in under_way.items() if key not in ready}
                again += run.send_back(run.finish(ready, heard, others=bool(under_way)))
        return again


def _to_tell(steps: Mapping[str, Step]) -> int:
    return sum(step.job is not None for step in steps.values())


def _latest(heard: Sequence[Heard]) -> Heard:
    """The one that counts: the last success, else the last."""
    return next((one for one in reversed(heard) if one.callback.outcome == "success"), heard[-1])


def _about(heard: Sequence[Heard]) -> dict[str, str | None]:
    """What every line says while a job is worked on; `trace_id` is that of the request which brought the news."""
    last = _latest(heard)
    return {
        "job_id": job_key(last.callback, last.message.body),
        "record_id": last.callback.record_id,
        "origin": last.message.origin,
        "trace_id": trace_id(last.message.trace),
    }


def _seconds(left: timedelta) -> float:
    return left.total_seconds()


class _Run:
    """One batch's way through; everything it leaves behind is in the ledger, the bucket, Airtable and the queue."""

    def __init__(self, outside: Outside, clock: Clock, chance: Callable[[], float], leases: Leases, ends_at: datetime) -> None:
        self._outside = outside
        self._clock = clock
        self._chance = chance
        self._leases = leases
        self._copies = CopyRun(outside, clock, lambda: _seconds(ends_at - clock()))

    def open(self, deliveries: Sequence[Delivery]) -> tuple[dict[str, list[Heard]], list[tuple[Delivery, timedelta]]]:
        """What the messages say, by job, and which of them must come again because they cannot be read right now."""
        heard: dict[str, list[Heard]] = {}
        again: list[tuple[Delivery, timedelta]] = []
        for delivery in deliveries:
            try:
                one = self._read(delivery)
                if one is not None:
                    heard.setdefault(job_key(one.callback, one.message.body), []).append(one)
            except RetryLater as error:
                logger.warning("message cannot be read yet", message_id=delivery.message_id, reason=error.reason)
                again.append((delivery, self._delay(error, delivery.receives)))
        return heard, again

    def feel_pulse(self, heard: Mapping[str, Sequence[Heard]]) -> None:
        """Note that callbacks arrive: the poller tells people when they do not although jobs end."""
        if any(one.message.origin == "webhook" for some in heard.values() for one in some):
            with suppress(RetryLater):
                self._outside.notebook.heard(self._clock())

    def _read(self, delivery: Delivery) -> Heard | None:
        key = None
        try:
            message = decode(delivery.text)
            if isinstance(message, Pointer):
                key = message.key
                message = self._outside.inbox.get(key)
        except Gone:
            # Taken out of the inbox once its job was in the ledger: this is a repetition.
            logger.info("message repeated", message_id=delivery.message_id, inbox_key=key)
            return None
        except NotAMessage as error:
            self._bury(delivery, str(error))
            return None
        return Heard(delivery, message, parse(message.body, message.query), key)

    def advance(self, key: str, heard: Sequence[Heard], copying: Executor) -> Step:
        """Bring one job as far as it goes without Airtable; whatever goes wrong with it concerns no other job."""
        receives = max(one.delivery.receives for one in heard)
        try:
            job = self._take_in(key, heard)
        except RetryLater as error:
            # The ledger does not have the message yet, so that it stays on the queue however often it was tried.
            logger.warning("message not in the ledger yet", job_id=key, reason=error.reason)
            return Step(again=self._delay(error, receives))
        except Refused as error:
            return self._bury_all(heard, error.reason)
        try:
            return self._copy(job, heard, copying) if job is not None else Step()
        except Unfinished as error:
            return self._carry_on(key, heard, error)
        except RetryLater as error:
            return self._try_again(key, error, receives)

    def _take_in(self, key: str, heard: Sequence[Heard]) -> Job | None:
        """The job with these callbacks folded in and kept; None where they change nothing, as it is done."""

        def fold(job: Job | None) -> Job:
            for one in heard:
                job = receive(job, one.callback, key=key, origin=one.message.origin, at=self._clock())
            return answered(cast(Job, job), at=self._clock())

        job = self._outside.ledger.change(key, fold)
        if job.done:
            logger.info("callback repeated", **of(job, state=job.state))
            return None
        known_by = [name for one in heard for name in (one.delivery.message_id, one.inbox_key) if name]
        self._outside.ledger.refer(job, references(job, message_ids=known_by))
        last = _latest(heard)
        self._learn(job, last)
        if last.callback.outcome == "success" or job.state in (JobState.SUBMITTED, JobState.FAILED):
            self._outside.ledger.keep_message(key, last.message, elsewhere=self._keep_elsewhere)
        return job

    def _learn(self, job: Job, last: Heard) -> None:
        """Count how long such a job takes, which is when the poller looks for the next; a repetition is counted once."""
        took_s = last.callback.timing.total_s
        new = job.state is JobState.FINISHED and job.attempts == 0 and last.delivery.receives == 1
        if new and took_s is not None and job.operation in self._outside.mapping.operations:
            with suppress(RetryLater):
                self._outside.notebook.observe(cast(str, job.operation), took_s)

    def _copy(self, job: Job, heard: Sequence[Heard], copying: Executor) -> Step:
        key = job.job_id
        if not self._leases.take(key, [one.delivery.receipt for one in heard]):
            # Soon, but not for as long as a copy may take: the ledger has the message, and makes the job due again.
            receives = max(one.delivery.receives for one in heard)
            return Step() if receives > TRIES_IN_QUEUE else Step(again=retry_delay(receives - 1, chance=self._chance()))
        # Under the lease: another worker may have come further meanwhile.
        job = self._outside.ledger.get(key) or job
        if job.state is JobState.FINISHED:
            job = copy_outputs(job, _latest(heard).callback, run=self._copies, pool=copying)
            logger.info("outputs copied", **of(job, state=job.state))
        return Step(job=job) if job.state in TELLABLE and job.told_at is None else Step()

    def safely(self, heard: Sequence[Heard], work: Callable[[], Step]) -> Step:
        """Do a part of one job's work; a fault of ours in it brings back its messages alone, and buries them in the end."""
        with about(**_about(heard)):
            return self._safely(heard, work)

    def _safely(self, heard: Sequence[Heard], work: Callable[[], Step]) -> Step:
        receives = max(one.delivery.receives for one in heard)
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the outermost loop: one job's fault must not stop the batch
            logger.exception("job failed on a fault of ours")
            if receives < TRIES_OF_POISON:
                return Step(again=retry_delay(receives, chance=self._chance()))
            return self._bury_all(heard, f"a fault of ours: {type(error).__name__}: {error}")

    def finish(
        self, steps: Mapping[str, Step], heard: Mapping[str, Sequence[Heard]], *, others: bool
    ) -> list[tuple[Delivery, timedelta]]:
        """Tell Airtable of the jobs that are ready and give them back; returns what must come again.

        While `others` go on, what is done leaves the queue at once: the event source would let it come again meanwhile.
        """
        jobs = [step.job for step in steps.values() if step.job is not None]
        ended = {**steps, **self.tell(jobs, heard)} if jobs else steps
        again: list[tuple[Delivery, timedelta]] = []
        for key, step in ended.items():
            self._leases.drop(key)
            if step.again is not None:
                again += [(one.delivery, step.again) for one in heard[key]]
                continue
            self.clear(heard[key])
            for one in heard[key] if others else ():
                # If it cannot be deleted now it is repeated, and found to be done.
                with suppress(RetryLater):
                    self._outside.queue.delete(one.delivery.receipt)
        return again

    def tell(self, jobs: Sequence[Job], heard: Mapping[str, Sequence[Heard]]) -> dict[str, Step]:
        """Tell Airtable about all jobs at once; after a fault of ours one by one, since it is one job's."""
        if len(jobs) > 1:
            try:
                return self._tell(jobs)
            except Exception:  # noqa: BLE001 - the outermost loop, too: whose fault it is shows when each is told alone
                # What was written already is seen to be there, and is not written again.
                logger.exception("jobs are told one by one after a fault of ours")
        return {job.job_id: self.safely(heard[job.job_id], partial(self._tell_one, job)) for job in jobs}

    def _tell(self, jobs: Sequence[Job]) -> dict[str, Step]:
        self._outside.preflight.look(self._clock())
        tellings = publish(jobs, airtable=self._outside.airtable, mapping=self._outside.mapping)
        steps = {}
        for job in jobs:
            with about(**of(job)):
                steps[job.job_id] = self._settle(job, tellings[job.job_id])
        return steps

    def _tell_one(self, job: Job) -> Step:
        return self._tell([job])[job.job_id]

    def _settle(self, job: Job, telling: Telling) -> Step:
        try:
            if telling.error is None:
                if telling.shown.target_id:
                    self._outside.ledger.refer(job, [telling.shown.target_id])
                self._note(
                    job.job_id,
                    lambda known: told(shown(known, telling.shown), at=self._clock(), what=telling.what),
                    state=job.state,
                )
                logger.info("Airtable told", **of(job, state=job.state, what=telling.what))
                return Step()
            error = telling.error if isinstance(telling.error, RetryLater) else RetryLater(telling.error.reason)
            if telling.shown.target_told:
                self._note(job.job_id, lambda known: shown(known, telling.shown), state=job.state)
            return self._try_again(job.job_id, error, job.attempts)
        except RetryLater as error:
            return Step(again=self._delay(error, job.attempts))

    def _try_again(self, key: str, error: RetryLater, receives: int) -> Step:
        """Note the failed try; the message comes back soon, or the ledger makes the job due again later."""
        logger.warning("job tried in vain", job_id=key, reason=error.reason)
        try:
            job = self._outside.ledger.get(key)
            if job is None:
                return Step(again=self._delay(error, receives))
            # What is to wait longer than a message can is left to the ledger at once.
            left = job.attempts >= TRIES_IN_QUEUE or (error.delay or LONGEST_IN_QUEUE) > LONGEST_IN_QUEUE
            delay = self._delay(error, job.attempts, longest=LONGEST_IN_LEDGER if left else LONGEST_IN_QUEUE)
            # While the message is to come back, the ledger's own date lies behind that, in case it never does.
            due_at = self._clock() + delay + (timedelta() if left else LOOK_AGAIN)
            self._note(key, lambda known: tried(known, at=self._clock(), why=error.reason, due_at=due_at), state=job.state)
        except RetryLater:
            return Step(again=self._delay(error, receives))
        return Step() if left else Step(again=delay)

    def _carry_on(self, key: str, heard: Sequence[Heard], error: Unfinished) -> Step:
        """A copy goes on in another run, by a fresh message: its receives are counted anew, so that it is never buried."""
        delay = max(error.delay or timedelta(), _A_MOMENT)
        logger.info("copy goes on in another run", job_id=key, reason=error.reason)
        due_at = self._clock() + delay + LOOK_AGAIN
        try:
            self._note(key, lambda known: carried_on(known, at=self._clock(), due_at=due_at), state=JobState.FINISHED)
            self._outside.queue.send(self._same(key, _latest(heard)), delay=delay)
        except RetryLater as fault:
            return Step(again=self._delay(fault, 0))
        return Step()

    def _same(self, key: str, one: Heard) -> str:
        """The message once more; what lay in the inbox leaves it when this run ends, and lies in the ledger since it began."""
        kept = self._outside.ledger.message(key) if one.inbox_key is not None else None
        if kept is None:
            return one.delivery.text
        return point(kept.key) if isinstance(kept, Pointer) else encode(kept)

    def _note(self, key: str, decide: Callable[[Job], Job], *, state: JobState) -> None:
        """Write down what was decided on a job in `state`; one that has moved on meanwhile has its own messages."""

        def again(known: Job | None) -> Job:
            if known is None:
                raise RetryLater(f"job {key} has left the ledger")
            return decide(known) if known.state is state else known

        self._outside.ledger.change(key, again)

    def clear(self, heard: Sequence[Heard]) -> None:
        """Empty the inbox of what the ledger has now; what stays by accident is swept and found to be repeated."""
        for one in heard:
            if one.inbox_key is not None and one.inbox_key.startswith(INBOX_PREFIX):
                with suppress(RetryLater):
                    self._outside.inbox.delete(one.inbox_key)

    def send_back(self, again: Sequence[tuple[Delivery, timedelta]]) -> tuple[str, ...]:
        """Let each of these messages come back in its own time; returns their ids."""
        for delivery, delay in again:
            # If it cannot be hidden for its own time it comes after the queue's.
            with suppress(RetryLater):
                self._outside.queue.hide(delivery.receipt, delay=delay)
        return tuple(delivery.message_id for delivery, _ in again)

    def _delay(self, error: RetryLater, tries: int, *, longest: timedelta = LONGEST_IN_QUEUE) -> timedelta:
        if error.delay is not None:
            return spread(error.delay, chance=self._chance())
        return retry_delay(tries, chance=self._chance(), longest=longest)

    def _bury(self, delivery: Delivery, reason: str) -> None:
        logger.error("message buried", message_id=delivery.message_id, reason=reason)
        self._outside.dead_letters.bury(delivery.text, reason=reason)
        record(Metric.MESSAGES_BURIED_TOTAL)

    def _bury_all(self, heard: Sequence[Heard], reason: str) -> Step:
        try:
            for one in heard:
                self._bury(one.delivery, reason)
        except RetryLater as error:
            return Step(again=self._delay(error, TRIES_OF_POISON))
        return Step()

    def _keep_elsewhere(self, message: Message) -> str:
        return self._outside.inbox.put(message, CALLBACKS_PREFIX)
