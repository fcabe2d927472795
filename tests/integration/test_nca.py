"""The NCA adapter against the stand-in, over HTTP, and against answers that are none: only NCA's own word counts."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, Response, request

from local import ports
from local.media import make
from local.nca import Fault, serve
from local.nca import Nca as StandIn
from local.web import serving
from reelkeeper.adapters.nca import Malformed, Nca, NoStatusRoute, NotFound
from reelkeeper.domain.callback import Sender, parse
from reelkeeper.domain.errors import Refused, RetryLater

JOB_ID = "596107c1-6a62-45a8-957d-fba778a09755"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def film() -> bytes:
    return make.video(seconds=1)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with serve() as nca:
        yield nca


@pytest.fixture
def nca(standin: StandIn) -> Nca:
    return Nca(standin.address, standin.api_key)


def a_job(standin: StandIn, film: bytes, **more: Any) -> str:
    """A job that was handed in with a webhook, and has ended."""
    url = standin.put_input("film.mp4", film)
    payload = {"video_urls": [{"video_url": url}], "id": "rec1", "webhook_url": "http://127.0.0.1:9/hook", **more}
    job_id: str = standin.submit("/v1/video/concatenate", payload).json()["job_id"]
    assert standin.toolkit.wait_idle()
    return job_id


# NCA's own answers.


def test_a_finished_job_comes_with_the_report_its_callback_carried(standin: StandIn, nca: Nca, film: bytes) -> None:
    job_id = a_job(standin, film)
    status = nca.status(job_id)
    assert (status.job_id, status.job_status) == (job_id, "done")
    assert status.report is not None
    callback = parse(status.report, {})
    assert (callback.job_id, callback.record_id, callback.outcome) == (job_id, "rec1", "success")
    assert callback.outputs
    assert status.sender != Sender()


def test_done_also_means_failed(standin: StandIn, nca: Nca, film: bytes) -> None:
    standin.switches.on(Fault.FAIL, times=1, message="no space left")
    status = nca.status(a_job(standin, film))
    assert status.job_status == "done"
    assert status.report is not None
    assert parse(status.report, {}).error == "no space left"


def test_a_job_that_waits_has_no_report(standin: StandIn, nca: Nca, film: bytes) -> None:
    standin.switches.on(Fault.DEAD_THREAD, times=1)
    status = nca.status(a_job(standin, film))
    assert (status.job_status in {"queued", "running"}, status.report) == (True, None)


def test_a_job_nca_does_not_know_is_not_found(nca: Nca) -> None:
    with pytest.raises(NotFound):
        nca.status(JOB_ID)


def test_a_nan_in_the_result_is_read_all_the_same(standin: StandIn, nca: Nca, film: bytes) -> None:
    """Measured: the job is done, its callback never came, and the status answer is not valid JSON."""
    standin.switches.on(Fault.NOT_JSON, times=1)
    report = nca.status(a_job(standin, film)).report
    assert report is not None
    assert parse(report, {}).outcome == "success"
    assert b"NaN" in report
    json.loads(report, parse_constant=pytest.fail)


def test_the_bulk_answer_names_every_recent_job_and_not_the_question_itself(standin: StandIn, nca: Nca, film: bytes) -> None:
    jobs = {a_job(standin, film) for _ in range(2)}
    assert set(nca.statuses(since=HOUR).statuses) == jobs


def test_a_build_without_status_routes_says_to_update(standin: StandIn, nca: Nca) -> None:
    standin.switches.on(Fault.NO_STATUS)
    with pytest.raises(NoStatusRoute, match="update it"):
        nca.status(JOB_ID)
    with pytest.raises(NoStatusRoute):
        nca.statuses(since=HOUR)


@pytest.mark.parametrize("fault", [Fault.STATUS_500, Fault.DISK_FULL])
def test_an_nca_in_trouble_is_asked_again_later(standin: StandIn, nca: Nca, fault: Fault) -> None:
    standin.switches.on(fault)
    with pytest.raises(RetryLater, match="NCA answers 500"):
        nca.status(JOB_ID)


def test_a_wrong_key_names_the_secret_and_is_not_shown(standin: StandIn) -> None:
    with pytest.raises(Refused, match="put the right nca_api_key into the secret") as refused:
        Nca(standin.address, "wrong-key").status(JOB_ID)
    assert "wrong-key" not in refused.value.reason


def test_nobody_at_the_address_is_asked_again_later() -> None:
    with pytest.raises(RetryLater, match=r"NCA did not answer: .*; if this lasts, check NcaUrl \(http://127.0.0.1:9\)$"):
        Nca("http://127.0.0.1:9", "key").status(JOB_ID)


# Answers that are none.


class Somebody:
    """Whoever answers at NCA's address: a body, as it is."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answer = Response()
        self.asked: list[str] = []


@pytest.fixture
def somebody() -> Iterator[Somebody]:
    app = Flask("somebody")
    port = ports.choose(0, "somebody")
    found = Somebody(f"http://127.0.0.1:{port}")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def answer(path: str) -> Response:
        found.asked.append(f"{request.method} {path}")
        return found.answer

    with serving(app, port):
        yield found


def an_envelope(**status: Any) -> bytes:
    inner = {"job_id": JOB_ID, "job_status": "done", "process_id": 1, "queue_id": 2, "response": None, **status}
    return json.dumps({"code": 200, "job_id": "the-question's-own", "response": inner, "pid": 7, "queue_id": 8}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>Please wait</title>",
        b"[]",
        b'"done"',
        b"null",
        b"{}",
        b'{"response": null}',
        b'{"response": []}',
        an_envelope()[:-10],
        an_envelope(job_id="another"),
        an_envelope(job_id=None),
        an_envelope(job_status="finished"),
        an_envelope(job_status=None),
        an_envelope(job_status=["done"]),
        an_envelope(job_status={"done": True}),
        an_envelope(response={"job_id": "another", "code": 200, "message": "success"}),
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
    ids=lambda body: body[:24].decode("utf-8", "replace") + f"~{len(body)}",
)
def test_what_is_no_status_of_this_job_is_malformed_and_nothing_follows(somebody: Somebody, body: bytes) -> None:
    somebody.answer = Response(body, mimetype="application/json")
    with pytest.raises(Malformed):
        Nca(somebody.address, "key").status(JOB_ID)


@pytest.mark.parametrize("report", [None, [], "text", 5])
def test_a_report_that_is_no_object_is_none(somebody: Somebody, report: object) -> None:
    somebody.answer = Response(an_envelope(response=report))
    assert Nca(somebody.address, "key").status(JOB_ID).report is None


def test_an_answer_that_breaks_off_says_nothing(somebody: Somebody) -> None:
    body = an_envelope()
    somebody.answer = Response(body[:20], headers={"Content-Length": str(len(body)), "Connection": "close"})
    with pytest.raises((Malformed, RetryLater)):
        Nca(somebody.address, "key").status(JOB_ID)


def test_an_answer_that_stalls_is_asked_for_again_later(somebody: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelkeeper.adapters.nca._TIMEOUT_S", (4, 0.2))
    ended = threading.Event()

    def stall() -> Iterator[bytes]:
        yield b"{"
        ended.wait(10)

    somebody.answer = Response(stall(), mimetype="application/json")
    with pytest.raises(RetryLater, match="did not come to its end"):
        Nca(somebody.address, "key").status(JOB_ID)
    ended.set()


def test_an_enormous_answer_is_not_read_to_its_end(somebody: Somebody) -> None:
    sent = []

    def pour() -> Iterator[bytes]:
        for _ in range(200):
            sent.append(1)
            yield b" " * 2**20

    somebody.answer = Response(pour(), mimetype="application/json")
    with pytest.raises(Malformed, match="larger than"):
        Nca(somebody.address, "key").status(JOB_ID)
    assert len(sent) < 100


def test_a_404_that_is_not_ncas_own_says_nothing_of_the_job(somebody: Somebody) -> None:
    """A proxy in front, or another server at that address: the job is not lost for that."""
    somebody.answer = Response('{"error": "no such host"}', status=404, mimetype="application/json")
    with pytest.raises(Malformed):
        Nca(somebody.address, "key").status(JOB_ID)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_the_key_would_go_with_it(somebody: Somebody, status: int) -> None:
    somebody.answer = Response(status=status, headers={"Location": f"{somebody.address}/elsewhere"})
    with pytest.raises(RetryLater):
        Nca(somebody.address, "key").status(JOB_ID)
    assert len(somebody.asked) == 1


def test_entries_of_the_bulk_answer_that_make_no_sense_are_left_out(somebody: Somebody) -> None:
    listed = {"one": "done", "two": "finished", "three": None, "four": ["done"], "five": "running"}
    somebody.answer = Response(json.dumps({"code": 200, "response": listed}))
    assert nca_statuses(somebody) == {"one": "done", "five": "running"}


@pytest.mark.parametrize("body", [b"[]", b'{"response": null}', b'{"response": ["done"]}', b"<html>"])
def test_a_bulk_answer_that_lists_nothing_is_malformed(somebody: Somebody, body: bytes) -> None:
    somebody.answer = Response(body)
    with pytest.raises(Malformed):
        nca_statuses(somebody)


def nca_statuses(somebody: Somebody) -> dict[str, str]:
    return dict(Nca(somebody.address, "key").statuses(since=HOUR).statuses)
