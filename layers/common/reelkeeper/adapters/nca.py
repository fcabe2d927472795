"""NCA's status routes, and handing it a job: the only module that asks it anything.

The answer's outer envelope is the status call's own, with a fresh `job_id` and the worker that answered; what is asked for lies
in its `response`. Answers that are no status raise Malformed and are counted: nothing ever follows from them.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from reelkeeper.domain.callback import Sender
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.metric import Metric
from reelkeeper.telemetry import record

_STATUS, _STATUSES = "/v1/toolkit/job/status", "/v1/toolkit/jobs/status"
_TIMEOUT_S = (4, 15)
# The time-out above begins anew with every byte; no answer may take longer than this as a whole.
_WHOLE_S = 30.0
# A status answer is some kilobytes, with a transcript in it some megabytes; more than this is not one.
_LARGEST = 32 * 1024 * 1024
_CHUNK = 64 * 1024
STATES = frozenset({"queued", "running", "done", "submitted", "failed"})


_NOBODY = Sender()


class NoStatusRoute(Refused):
    """This build of NCA has no status routes (they came in April 2025)."""


class Malformed(Refused):
    """An answer that is not a status, or not of this job: nothing follows from it."""


class NotFound(Gone):
    """NCA itself says that it does not know the job; `answered_by` is the worker that said so."""

    def __init__(self, reason: str, *, answered_by: Sender = _NOBODY) -> None:
        super().__init__(reason)
        self.answered_by = answered_by


@dataclass(frozen=True, slots=True)
class Status:
    """What NCA knows of one job. `sender` is the worker it belongs to, `answered_by` the one that answered; `report` is the
    callback it made, verbatim, once the job is done; else None."""

    job_id: str
    job_status: str
    sender: Sender
    report: bytes | None
    answered_by: Sender = Sender()


@dataclass(frozen=True, slots=True)
class Listing:
    """The status of every job whose file changed within a time, this call's own left out."""

    statuses: Mapping[str, str]
    answered_by: Sender = Sender()


class Nca:
    """One NCA by its address."""

    # Whether the key was refused.
    refused = False

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._session = requests.Session()
        # Unpacked as it is: a small answer that unpacks to an enormous one is none.
        self._session.headers.update({"x-api-key": api_key, "accept-encoding": "identity"})
        self._session.mount(url, requests.adapters.HTTPAdapter(pool_maxsize=16))

    def status(self, job_id: str) -> Status:
        """Ask for one job; raises NotFound where NCA does not know it, NoStatusRoute, Malformed, Refused or RetryLater."""
        answer = self._ask(_STATUS, {"job_id": job_id})
        found = answer.get("response")
        if not isinstance(found, dict) or str(found.get("job_id")) != job_id or str(found.get("job_status")) not in STATES:
            raise _malformed(f"NCA answered for job {job_id} with something that is not its status")
        report = found.get("response")
        if isinstance(report, dict) and report.get("job_id") not in (None, job_id):
            raise _malformed(f"NCA answered for job {job_id} with the report of another")
        return Status(
            job_id=job_id,
            job_status=str(found["job_status"]),
            sender=Sender(_text(found.get("process_id")), _text(found.get("queue_id"))),
            report=json.dumps(report).encode() if isinstance(report, dict) else None,
            answered_by=_sender(answer),
        )

    def statuses(self, *, since: timedelta) -> Listing:
        """The status of every job whose file changed within `since`, in one call; malformed entries are left out."""
        answer = self._ask(_STATUSES, {"since_seconds": max(int(since.total_seconds()), 1)})
        found = answer.get("response")
        if not isinstance(found, dict):
            raise _malformed("NCA answered the bulk status call with something that is not a list of jobs")
        listed = {job_id: status for job_id, status in found.items() if isinstance(status, str) and status in STATES}
        # A status call is a job of its own and lists itself as running.
        listed.pop(str(answer.get("job_id")), None)
        return Listing(listed, _sender(answer))

    def build(self) -> str | None:
        """Which build of NCA answers, as its status route says; raises NoStatusRoute, Malformed, Refused or RetryLater."""
        return _text(self._ask(_STATUSES, {"since_seconds": 1}).get("build_number"))

    def submit(self, path: str, payload: Mapping[str, object]) -> str:
        """Hand in a job and return NCA's id of it; raises Refused, or RetryLater where it may have been taken all the same."""
        answer = self._ask(path, payload)
        job_id = answer.get("job_id")
        if answer.get("code") != 202 or not isinstance(job_id, str) or not job_id:
            raise Refused(f"NCA did not take the job: {str(answer.get('message'))[:200]}")
        return job_id

    def _ask(self, path: str, question: Mapping[str, object]) -> dict[str, Any]:
        record(Metric.NCA_REQUESTS_TOTAL)
        try:
            response = self._session.post(
                f"{self._url}{path}", json=question, timeout=_TIMEOUT_S, stream=True, allow_redirects=False
            )
            with response:
                body = _whole(response)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise RetryLater(
                f"NCA did not answer: {type(error).__name__}; if this lasts, check NcaUrl ({self._url})"
            ) from error
        self.refused = self.refused or response.status_code == 401
        return _read(response.status_code, body, question)


def _whole(response: requests.Response) -> bytes:
    """The body, however it drips in; raises Malformed for one that is enormous or breaks off, RetryLater for one that lasts."""
    ends = time.monotonic() + _WHOLE_S
    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK):
            body += chunk
            if len(body) > _LARGEST:
                raise _malformed(f"NCA's answer is larger than {_LARGEST} bytes")
            if time.monotonic() > ends:
                raise RetryLater(f"NCA's answer took longer than {_WHOLE_S:.0f} s")
    except (TimeoutError, ReadTimeoutError) as error:
        raise RetryLater("NCA's answer did not come to its end") from error
    except HTTPError as error:
        raise _malformed(f"NCA's answer broke off after {len(body)} bytes") from error
    return bytes(body)


def _read(status: int, body: bytes, question: Mapping[str, object]) -> dict[str, Any]:
    try:
        answer = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        answer = None
    if status == 401:
        raise Refused("NCA refuses the key; put the right nca_api_key into the secret")
    if status == 404:
        raise _not_found(answer, question)
    if status not in (200, 202):
        raise RetryLater(f"NCA answers {status}")
    if not isinstance(answer, dict):
        raise _malformed("NCA's answer is not a JSON object")
    return answer


def _not_found(answer: object, question: Mapping[str, object]) -> Refused:
    """A 404 of NCA's own names the job; whatever else says 404 only shows that the route is not there, or not NCA."""
    if not isinstance(answer, dict):
        return NoStatusRoute("this build of NCA has no such route: update it, or lost callbacks are found by their files only")
    message = answer.get("message")
    if isinstance(message, dict) and "job_id" in question and message.get("job_id") == question["job_id"]:
        return NotFound("NCA does not know this job", answered_by=_sender(answer))
    return _malformed("a 404 that is not NCA's own says nothing of the job")


def _malformed(reason: str) -> Malformed:
    record(Metric.NCA_UNREADABLE_TOTAL)
    return Malformed(reason)


def _sender(answer: Mapping[str, Any]) -> Sender:
    return Sender(_text(answer.get("pid")), _text(answer.get("queue_id")))


def _no_constant(name: str) -> object:
    # NaN in a result makes NCA's own status answer invalid JSON (measured, build 209); the job is done all the same.
    return name


def _text(value: object) -> str | None:
    return None if value is None else str(value)
