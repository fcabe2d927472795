"""Looking into NCA's bucket for the files of jobs that NCA itself cannot, or will not, account for."""

from collections.abc import Mapping, Sequence

from reelkeeper.domain import found
from reelkeeper.domain.callback import name_in
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.evidence import UNDER_WAY, Search, Silence, Told
from reelkeeper.domain.job import Job
from reelkeeper.domain.telling import read_request
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger


def wants_a_search(told: Told | Silence) -> bool:
    """Whether the bucket may decide: NCA does not know the job or has no route, or its word is not, or no longer, enough."""
    if isinstance(told, Silence):
        return told in (Silence.NOT_FOUND, Silence.NO_ROUTE)
    if told.job_status in UNDER_WAY:
        return told.worker_gone or not told.worker_seen
    return told.report is None or told.report.outcome == "unknown"


def search(sweep: Round, jobs: Sequence[Job]) -> dict[str, Search]:
    """What the bucket holds of each job, by job id; a job whose search failed is not in it."""
    bucket = sweep.outside.nca_bucket
    if bucket is None or not jobs:
        return {}
    reasons: set[str] = set()

    def one(job: Job) -> Search | None:
        try:
            return bucket.search(job.job_id, at=sweep.clock())
        except (RetryLater, Refused) as error:
            reasons.add(error.reason)
            return None

    results = sweep.side_by_side(one, jobs)
    if reasons:
        logger.warning("NCA's bucket cannot be searched", reason=min(reasons), jobs=sum(1 for one in results if one is None))
    return {job.job_id: result for job, result in zip(jobs, results, strict=True) if result is not None}


def expected_files(sweep: Round, jobs: Sequence[Job]) -> Mapping[str, int]:
    """How many files the requests of these jobs ask for, by job id, as far as their rows can be read."""
    table = sweep.outside.mapping.jobs
    named = {job.job_id: job.record_id for job in jobs if job.record_id}
    if not named or not table.request:
        return {}
    try:
        rows = sweep.outside.airtable.rows(table.table, tuple(named.values()), fields=[table.request])
    except (RetryLater, Refused) as error:
        logger.warning("the requests of jobs cannot be read", reason=error.reason)
        return {}
    requests = {job_id: read_request(rows[one].fields.get(table.request)) for job_id, one in named.items() if one in rows}
    return {job_id: _files_of(request) for job_id, request in requests.items() if request}


def _files_of(request: Mapping[str, object]) -> int:
    """One for each output or range that is asked for; all other endpoints make one file."""
    asked = next((many for key in ("outputs", "splits") if isinstance(many := request.get(key), list)), None)
    return len(asked) if asked else 1


def without_thumbnails(search: Search) -> Search:
    """The search as outputs are counted: a thumbnail beside its film is no output of its own."""
    names = found.files([name_in(url) for url in search.urls])
    return Search(tuple(url for url in search.urls if name_in(url) in names), search.whole, search.settled)
