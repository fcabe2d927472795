"""NCA: does it answer, which build is it, and does it reach us? The last only a job of its own can prove."""

import time
from collections.abc import Iterator
from datetime import timedelta

from reelkeeper.adapters.nca import Nca, NoStatusRoute, NotFound
from reelkeeper.cli.checkup.webhook import Door, Register, seen
from reelkeeper.cli.words import plural
from reelkeeper.domain.causes import Check
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import JobState
from reelkeeper.domain.ping import PING

# It needs no input and makes no file (recorded from build 209).
_PATH, _PAYLOAD = "/v1/code/execute/python", {"code": "return 1", "id": "reelkeeper-doctor", "timeout": 10}
_ROUND_TRIP = "NCA reaches the webhook"


def check_nca(nca: Nca | None) -> Iterator[Check]:
    """Address, key, build and both status routes."""
    if nca is None:
        yield Check("NCA", "warn", "its address is not known: lost callbacks are never found", "set NcaUrl: make deploy")
        return
    try:
        build = nca.build()
        listed = nca.statuses(since=timedelta(minutes=10))
        yield Check("NCA", "good", f"answers, build {build}; {plural(len(listed.statuses), 'job')} in the last ten minutes")
        nca.status("reelkeeper-doctor")
    except NotFound:
        yield Check("NCA's status of one job", "good", "the route is there")
    except NoStatusRoute as error:
        yield Check("NCA's status routes", "warn", error.reason, "update NCA (the routes came in April 2025)")
    except RetryLater as error:
        yield Check("NCA", "fail", error.reason, "check NcaUrl, and that NCA runs")
    except Refused as error:
        yield Check("NCA", "fail", error.reason, "check nca_api_key in the secret, and NcaUrl")


def check_round_trip(nca: Nca | None, at: Door, register: Register, *, wait_s: float) -> Iterator[Check]:
    """A tiny job whose callback must come in by our webhook."""
    if nca is None:
        return
    began = time.monotonic()
    try:
        job_id = nca.submit(_PATH, {**_PAYLOAD, "webhook_url": f"{at.url}?operation={PING}"})
    except (RetryLater, Refused) as error:
        yield Check(
            _ROUND_TRIP, "unknown", f"a job for it was not taken: {error.reason}", f"allow {_PATH}, or run a job by hand"
        )
        return
    job = seen(job_id, register, ends=began + wait_s)
    if job is None:
        yield _not_heard_of(nca, job_id, at, wait_s)
    elif job.state is JobState.FAILED:
        what = f"the callback came, {time.monotonic() - began:.1f} s later; the job itself failed: {job.error}"
        yield Check(_ROUND_TRIP, "good", what)
    else:
        yield Check(_ROUND_TRIP, "good", f"a job of its own was called back after {time.monotonic() - began:.1f} s")


def _not_heard_of(nca: Nca, job_id: str, at: Door, wait_s: float) -> Check:
    try:
        status = nca.status(job_id).job_status
    except (RetryLater, Refused) as error:
        status = f"unknown ({error.reason})"
    if status in ("queued", "running", "submitted"):
        what = f"after {wait_s:.0f} s the job is still {status}: NCA is busy, and nothing is proven"
        return Check(_ROUND_TRIP, "warn", what, f"wait longer: --wait {wait_s * 5:.0f}; later: reelkeeper trace {job_id}")
    what = f"NCA says the job is {status}, but no callback came within {wait_s:.0f} s: it does not reach {at.shown}"
    remedy = "from NCA's machine try the address with curl: name, firewall, proxy, certificate"
    return Check(_ROUND_TRIP, "fail", what, remedy)
