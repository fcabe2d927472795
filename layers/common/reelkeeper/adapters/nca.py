"""NCA's status routes: the only module that asks it anything.

The answer's outer envelope is the status call's own, with a fresh `job_id`; what is asked for lies in its `response`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests

from reelkeeper.domain.callback import Sender
from reelkeeper.domain.errors import Gone, Refused, RetryLater

_TIMEOUT_S = (4, 15)
# A status answer is some kilobytes, with a transcript in it some megabytes; more than this is not one.
_LARGEST = 32 * 1024 * 1024
STATES = frozenset({"queued", "running", "done", "submitted", "failed"})


class NoStatusRoute(Refused):
    """This build of NCA has no status routes (they came in April 2025)."""


class Malformed(Refused):
    """An answer that is not a status, or not of this job: nothing follows from it."""


@dataclass(frozen=True, slots=True)
class Status:
    """What NCA knows of one job. `report` is the callback it made, verbatim, once the job is done; else None."""

    job_id: str
    job_status: str
    sender: Sender
    report: bytes | None


class Nca:
    """One NCA by its address."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["x-api-key"] = api_key
        self._session.mount(url, requests.adapters.HTTPAdapter(pool_maxsize=16))

    def status(self, job_id: str) -> Status:
        """Ask for one job; raises Gone where NCA does not know it, NoStatusRoute, Malformed, Refused or RetryLater."""
        answer = self._ask("/v1/toolkit/job/status", {"job_id": job_id})
        found = answer.get("response")
        if not isinstance(found, dict) or str(found.get("job_id")) != job_id or found.get("job_status") not in STATES:
            raise Malformed(f"NCA answered for job {job_id} with something that is not its status")
        report = found.get("response")
        return Status(
            job_id=job_id,
            job_status=str(found["job_status"]),
            sender=Sender(_text(found.get("process_id")), _text(found.get("queue_id"))),
            report=json.dumps(report).encode() if isinstance(report, dict) else None,
        )

    def statuses(self, *, since: timedelta) -> Mapping[str, str]:
        """The status of every job whose file changed within `since`, in one call; malformed entries are left out."""
        answer = self._ask("/v1/toolkit/jobs/status", {"since_seconds": max(int(since.total_seconds()), 1)})
        found = answer.get("response")
        if not isinstance(found, dict):
            raise Malformed("NCA answered the bulk status call with something that is not a list of jobs")
        return {job_id: status for job_id, status in found.items() if isinstance(status, str) and status in STATES}

    def _ask(self, path: str, question: Mapping[str, object]) -> dict[str, Any]:
        try:
            response = self._session.post(
                f"{self._url}{path}", json=question, timeout=_TIMEOUT_S, stream=True, allow_redirects=False
            )
            with response:
                body = response.raw.read(_LARGEST + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise RetryLater(f"NCA did not answer: {type(error).__name__}") from error
        if len(body) > _LARGEST:
            raise Malformed(f"NCA's answer is larger than {_LARGEST} bytes")
        return _read(response.status_code, body)


def _read(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        answer = None
    if status == 404:
        if isinstance(answer, dict):
            raise Gone("NCA does not know this job")
        raise NoStatusRoute(
            "this build of NCA has no status routes: update it, or lost callbacks are found by their files only"
        )
    if status == 401:
        raise Refused("NCA refuses the key; put the right nca_api_key into the secret")
    if status != 200:
        raise RetryLater(f"NCA answers {status}")
    if not isinstance(answer, dict):
        raise Malformed("NCA's answer is not a JSON object")
    return answer


def _no_constant(name: str) -> object:
    # NaN in a result makes NCA's own status answer invalid JSON (measured, build 209); the job is done all the same.
    return name


def _text(value: object) -> str | None:
    return None if value is None else str(value)
