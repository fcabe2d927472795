"""Incidents: what a sweep's verdicts say of NCA as a whole becomes one event, one count and one word to people."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.evidence import Verdict
from reelkeeper.domain.incident import Kind
from reelkeeper.metric import Metric
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger, record

_SUBJECTS = {
    Kind.NCA_RESTARTED: "NCA was restarted and lost jobs",
    Kind.NCA_STALLED: "NCA's queue stands still: restart NCA",
    Kind.WEBHOOKS_SILENT: "NCA's callbacks do not arrive",
}
_REMEDIES = {
    Kind.NCA_RESTARTED: "Reelkeeper looks for their files, then hands them in anew where the mapping allows it, or fails them "
    "with the reason. Nothing has to be done; if it happens often, NCA may be short of memory.",
    Kind.NCA_STALLED: "NCA answers, has jobs queued, and runs none: its queue's thread is dead, or hangs on a callback. "
    "Restart NCA. Its jobs stay open until then.",
    Kind.WEBHOOKS_SILENT: "Jobs end and are found by polling, but no callback comes in. Look whether your engine's "
    "WEBHOOK_BASE_URL is this stack's.",
}


def note(sweep: Round, verdicts: Mapping[Verdict, int]) -> None:
    """Open, continue or end the incidents that the verdicts of a sweep show."""
    at = sweep.clock()
    signs: dict[Kind, str] = {}
    if gone := verdicts.get(Verdict.NCA_RESTARTED, 0) + verdicts.get(Verdict.FORGOTTEN, 0):
        signs[Kind.NCA_RESTARTED] = f"NCA no longer works on {_jobs(gone)} it had taken"
    if stalled := verdicts.get(Verdict.THREAD_DEAD, 0):
        signs[Kind.NCA_STALLED] = f"{_jobs(stalled)} wait in a queue that does not move"
    if found := verdicts.get(Verdict.FINISHED, 0) + verdicts.get(Verdict.FAILED, 0):
        silence = _silence(sweep, at, found)
        if silence is not None:
            signs[Kind.WEBHOOKS_SILENT] = silence
    for kind in Kind:
        with suppress(RetryLater):
            if kind in signs:
                _open(sweep, kind, signs[kind], at)
            else:
                _end(sweep, kind, at)


def _silence(sweep: Round, at: datetime, found: int) -> str | None:
    try:
        pulse = sweep.outside.notebook.found(at)
    except RetryLater:
        return None
    if not pulse.silent(at=at, after=sweep.outside.recovery.silent_after):
        return None
    last = f"the last callback came at {pulse.webhook_at:%Y-%m-%d %H:%M} UTC" if pulse.webhook_at else "none ever came"
    return f"{_jobs(found)} ended without a callback; {last}"


def _open(sweep: Round, kind: Kind, what: str, at: datetime) -> None:
    """Tell people, once: before the incident counts as open, so that a crash in between repeats a word and loses none."""
    notebook = sweep.outside.notebook
    going_on = notebook.incident(kind)
    if going_on is None or going_on.ended_at is not None:
        sweep.outside.topic.say(f"Reelkeeper: {_SUBJECTS[kind]}", f"{what}. {_REMEDIES[kind]}")
        record(Metric.INCIDENTS_TOTAL, kind=kind)
        logger.error("incident", kind=kind, what=what)
    notebook.open_incident(kind, what=what, at=at)


def _end(sweep: Round, kind: Kind, at: datetime) -> None:
    notebook = sweep.outside.notebook
    going_on = notebook.incident(kind)
    if going_on is not None and going_on.over(at=at) and notebook.end_incident(kind, at=at):
        logger.info("incident over", kind=kind, what=going_on.what, opened_at=going_on.opened_at.isoformat())


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"
