"""The stand-in NCA behaves as the toolkit was measured to behave (facts-nca.md); its media work is real."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests

from local.media import make
from local.media.probe import probe
from local.nca import Fault, Nca, serve


class Receiver:
    """Somewhere for callbacks to go: keeps each as (path with query, body)."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}/hook"
        self.got: list[tuple[str, Any]] = []


@pytest.fixture(scope="module")
def film() -> bytes:
    return make.video(seconds=1, tone_hz=440)


@pytest.fixture
def nca() -> Iterator[Nca]:
    with serve(longest_queue=2) as nca:
        yield nca


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, json.loads(body)))
            self.send_response(500)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(server)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()


def joined(nca: Nca, film: bytes, **more: Any) -> requests.Response:
    url = nca.put_input("film.mp4", film)
    return nca.submit("/v1/video/concatenate", {"video_urls": [{"video_url": url}, {"video_url": url}], "id": "rec1", **more})


def status(nca: Nca, job_id: str) -> Any:
    return nca.submit("/v1/toolkit/job/status", {"job_id": job_id}).json()


def test_a_job_is_taken_at_once_and_reported_once_even_where_the_receiver_answers_500(
    nca: Nca, receiver: Receiver, film: bytes
) -> None:
    taken = joined(nca, film, webhook_url=f"{receiver.url}?job_id=rec1&operation=concatenate")
    assert (taken.status_code, taken.json()["message"], taken.json()["max_queue_length"]) == (202, "processing", 2)
    assert nca.toolkit.wait_idle()
    ((path, body),) = receiver.got
    assert path == "/hook?job_id=rec1&operation=concatenate"
    job_id = taken.json()["job_id"]
    assert (body["code"], body["id"], body["job_id"], body["message"]) == (200, "rec1", job_id, "success")
    assert body["response"] == f"{nca.address}/storage/media/{job_id}.mp4"
    assert list(body)[:6] == ["endpoint", "code", "id", "job_id", "response", "message"]


def test_the_output_is_really_joined(nca: Nca, film: bytes) -> None:
    answer = joined(nca, film).json()
    joined_file = requests.get(answer["response"], timeout=10)
    assert joined_file.headers["Content-Type"] == "binary/octet-stream"
    found = probe(joined_file.content)
    assert (found.frames, round(found.seconds)) == (48, 2)


def test_compose_puts_a_voice_under_a_silent_video_and_names_it_after_the_job(nca: Nca) -> None:
    silent = nca.put_input("silent.mp4", make.video(seconds=1))
    voice = nca.put_input("voice.mp3", make.audio(seconds=1))
    maps = [{"option": "-map", "argument": "0:v:0"}, {"option": "-map", "argument": "1:a:0"}, {"option": "-shortest"}]
    wanted = {"inputs": [{"file_url": silent}, {"file_url": voice}], "outputs": [{"options": maps}]}
    answer = nca.submit("/v1/ffmpeg/compose", {**wanted, "metadata": {"thumbnail": True, "duration": True}}).json()
    (output,) = answer["response"]
    assert output["file_url"].endswith(f"{answer['job_id']}_output_0.mp4")
    assert output["thumbnail_url"].endswith(f"{answer['job_id']}_output_0_thumbnail.jpg")
    found = probe(requests.get(output["file_url"], timeout=10).content)
    assert found.frames == 24
    assert found.sound_seconds > 0.9


@pytest.mark.parametrize(
    ("path", "payload", "name"),
    [
        ("/v1/video/trim", {"start": "00:00:00", "end": "00:00:00.500"}, "{job}_output.mp4"),
        ("/v1/video/cut", {"start": 0, "end": 0.5}, "{job}_output.mp4"),
        ("/v1/video/thumbnail", {"second": 0}, "{job}_thumbnail.jpg"),
    ],
)
def test_each_endpoint_names_its_output_in_its_own_way(
    nca: Nca, film: bytes, path: str, payload: dict[str, Any], name: str
) -> None:
    answer = nca.submit(path, {"video_url": nca.put_input("film.mp4", film), **payload}).json()
    assert answer["response"].endswith(name.format(job=answer["job_id"]))
    assert probe(requests.get(answer["response"], timeout=10).content).frames >= 1


def test_split_passes_over_bad_ranges_in_silence(nca: Nca, film: bytes) -> None:
    splits = [{"start": 0, "end": 0.5}, {"start": 5, "end": 1}, {"start": 0.5, "end": 1}]
    answer = nca.submit("/v1/video/split", {"video_url": nca.put_input("film.mp4", film), "splits": splits}).json()
    assert [one["file_url"].rpartition("_")[2] for one in answer["response"]] == ["1.mp4", "2.mp4"]


def test_a_picture_becomes_a_video(nca: Nca) -> None:
    url = nca.put_input("picture.jpg", make.picture())
    answer = nca.submit("/v1/image/convert/video", {"image_url": url, "length": 1, "frame_rate": 10}).json()
    assert probe(requests.get(answer["response"], timeout=10).content).frames == 10


def test_an_upload_gets_a_signed_address_for_an_hour(film: bytes) -> None:
    now = [1_000_000.0]
    with serve(clock=lambda: now[0]) as nca:
        payload = {"file_url": nca.put_input("film.mp4", film), "filename": "copy of a.mp4"}
        answer = nca.submit("/v1/s3/upload", payload).json()["response"]
        assert "copy%20of%20a.mp4?AWSAccessKeyId=" in answer["file_url"]
        assert requests.get(answer["file_url"], timeout=10).content == film
        assert requests.get(answer["file_url"].partition("?")[0], timeout=10).status_code == 403
        now[0] += 3601
        assert requests.get(answer["file_url"], timeout=10).status_code == 403


def test_a_missing_input_fails_the_job_with_what_requests_says(nca: Nca) -> None:
    answer = nca.submit("/v1/video/thumbnail", {"video_url": f"{nca.address}/storage/media/no.mp4"})
    assert answer.status_code == 500
    assert answer.json()["response"] is None
    assert answer.json()["message"].startswith("404 Client Error: NOT FOUND for url: ")


def test_strangers_and_bad_requests_are_refused_as_the_toolkit_refuses_them(nca: Nca) -> None:
    nobody = requests.post(f"{nca.address}/v1/video/concatenate", json={}, timeout=10)
    assert (nobody.status_code, nobody.json()) == (401, {"message": "Unauthorized"})
    missing = nca.submit("/v1/video/concatenate", {"id": "rec1"})
    assert missing.json() == {"message": "Invalid payload: 'video_urls' is a required property"}
    assert nca.submit("/v1/video/thumbnail", {"video_url": "x", "id": 5}).status_code == 400
    unknown = nca.submit("/v1/nope", {})
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_status_envelope_is_the_calls_own_and_quotes_the_job(nca: Nca, film: bytes) -> None:
    job = joined(nca, film).json()
    answer = status(nca, job["job_id"])
    assert answer["job_id"] != job["job_id"]
    assert answer["response"]["job_status"] == "done"
    assert answer["response"]["response"]["response"] == job["response"]


def test_an_unknown_job_is_404_and_every_call_is_a_job_too(nca: Nca) -> None:
    answer = status(nca, "00000000-0000-0000-0000-000000000000")
    assert (answer["code"], answer["message"]["error"]) == (404, "Job not found")
    listed = nca.submit("/v1/toolkit/jobs/status", {"since_seconds": 60}).json()
    assert listed["response"][answer["job_id"]] == "done"
    assert listed["response"][listed["job_id"]] == "running"


def test_a_restart_leaves_jobs_as_they_were_for_ever_under_the_dead_process(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.SLOW, seconds=30, times=1)
    running, queued = (joined(nca, film, webhook_url=receiver.url).json() for _ in range(2))
    _until(lambda: status(nca, running["job_id"])["response"]["job_status"] == "running")
    nca.toolkit.restart()
    assert nca.toolkit.wait_idle(2)
    before, after = status(nca, running["job_id"]), status(nca, queued["job_id"])
    assert (before["response"]["job_status"], after["response"]["job_status"]) == ("running", "queued")
    assert before["response"]["process_id"] == running["pid"] != before["pid"]
    assert receiver.got == []


def test_a_restart_without_a_volume_forgets_every_job(nca: Nca, film: bytes) -> None:
    job = joined(nca, film).json()
    nca.toolkit.restart(keep_files=False)
    assert status(nca, job["job_id"])["code"] == 404


@pytest.mark.parametrize("how", ["switch", "malformed address"])
def test_a_dead_thread_leaves_every_later_job_queued(nca: Nca, receiver: Receiver, film: bytes, how: str) -> None:
    if how == "switch":
        nca.switches.on(Fault.DEAD_THREAD, times=1)
    first = joined(nca, film, webhook_url="http://a..b/x").json()
    _until(lambda: nca.toolkit.idle)
    later = joined(nca, film, webhook_url=receiver.url).json()
    assert status(nca, later["job_id"])["response"]["job_status"] == "queued"
    assert status(nca, first["job_id"])["response"]["job_status"] == ("queued" if how == "switch" else "done")


def test_a_full_queue_answers_429_and_never_calls_back(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.SLOW, seconds=0.3, times=1)
    first = joined(nca, film, webhook_url=receiver.url)
    _until(lambda: status(nca, first.json()["job_id"])["response"]["job_status"] == "running")
    rest = [joined(nca, film, webhook_url=receiver.url) for _ in range(3)]
    assert [one.status_code for one in rest] == [202, 202, 429]
    assert rest[-1].json()["message"] == "MAX_QUEUE_LENGTH (2) reached"
    assert "endpoint" not in rest[-1].json()
    inner = status(nca, rest[-1].json()["job_id"])["response"]
    assert (inner["job_status"], inner["response"]["code"]) == ("done", 429)
    assert nca.toolkit.wait_idle()
    assert len(receiver.got) == 3


def test_a_lost_callback_leaves_the_answer_in_the_status(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.NO_CALLBACK, times=1)
    job = joined(nca, film, webhook_url=receiver.url).json()
    assert nca.toolkit.wait_idle()
    assert receiver.got == []
    assert status(nca, job["job_id"])["response"]["response"]["code"] == 200


def test_the_other_ways_of_a_callback(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.NULL_ID, times=1)
    nca.switches.on(Fault.TWICE, times=1)
    joined(nca, film, webhook_url=receiver.url)
    assert nca.toolkit.wait_idle()
    assert [body["id"] for _, body in receiver.got] == [None, None]
    receiver.got.clear()
    nca.switches.on(Fault.CLOUD_RUN, times=1)
    nca.switches.on(Fault.FAIL, times=1, message="boom")
    joined(nca, film, webhook_url=receiver.url)
    assert nca.toolkit.wait_idle()
    (_, first), (_, second) = receiver.got
    assert (first["message"], "job_id" in second, second["error"]["job_id"]) == ("boom", False, first["job_id"])


def test_a_nan_is_done_without_a_callback_and_its_status_is_not_json(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.NOT_JSON, times=1)
    job = joined(nca, film, webhook_url=receiver.url).json()
    assert nca.toolkit.wait_idle()
    text = nca.submit("/v1/toolkit/job/status", {"job_id": job["job_id"]}).text
    assert "NaN" in text
    assert receiver.got == []


def test_cloudflare_answers_524_while_the_job_runs(nca: Nca, receiver: Receiver, film: bytes) -> None:
    nca.switches.on(Fault.TIMEOUT_524, times=1)
    answer = joined(nca, film, webhook_url=receiver.url)
    assert (answer.status_code, "524" in answer.text) == (524, True)
    assert nca.toolkit.wait_idle()
    assert len(receiver.got) == 1


def test_a_full_disk_answers_html_500_to_everything_and_old_builds_have_no_status(nca: Nca) -> None:
    nca.switches.on(Fault.DISK_FULL, times=1)
    assert nca.submit("/v1/video/thumbnail", {"video_url": "x"}).status_code == 500
    nca.switches.on(Fault.NO_STATUS)
    assert nca.submit("/v1/toolkit/jobs/status", {}).status_code == 404
    nca.switches.off(Fault.NO_STATUS)
    nca.switches.on(Fault.STATUS_500)
    assert nca.submit("/v1/toolkit/jobs/status", {}).status_code == 500


def test_outputs_vanish_turn_unreadable_become_pages_or_break_off(film: bytes) -> None:
    now = [0.0]
    with serve(clock=lambda: now[0]) as nca:
        nca.switches.on(Fault.DELETED, seconds=60, times=1)
        nca.switches.on(Fault.FORBIDDEN, seconds=30, times=1, record_id="rec1")
        url = joined(nca, film).json()["response"]
        assert requests.get(url, timeout=10).ok
        now[0] = 31.0
        assert requests.get(url, timeout=10).status_code == 403
        nca.switches.on(Fault.HTML, times=1)
        assert requests.get(joined(nca, film).json()["response"], timeout=10).headers["Content-Type"].startswith("text/html")
        nca.switches.on(Fault.CUT_SHORT, times=1)
        cut = joined(nca, film).json()["response"]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(cut, timeout=10)
        assert requests.get(cut, timeout=10).ok
        nca.switches.on(Fault.NEVER_STORED, times=1)
        assert requests.get(joined(nca, film).json()["response"], timeout=10).status_code == 404


def test_it_can_be_played_with_from_outside(nca: Nca, film: bytes) -> None:
    control = f"{nca.address}/_control"
    url = requests.put(f"{control}/inputs/film.mp4", data=film, timeout=10).json()["url"]
    assert requests.get(url, headers={"Range": "bytes=0-9"}, timeout=10).content == film[:10]
    shown = requests.post(f"{control}/faults", json={"fault": "full", "times": 1}, timeout=10).json()
    assert shown["on"] == [{"fault": "full", "record_id": None, "times": 1}]
    requests.post(f"{control}/restart", timeout=10)
    requests.delete(f"{control}/objects/inputs/film.mp4", timeout=10)
    assert requests.get(control + "/", timeout=10).json()["objects"] == []
    assert requests.get(url, timeout=10).status_code == 404
    assert requests.delete(f"{control}/faults", timeout=10).json() == {"on": []}


def _until(true: Any) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_body_of_python_is_run_needs_no_input_and_makes_no_file(nca: Nca, receiver: Receiver) -> None:
    taken = nca.submit("/v1/code/execute/python", {"code": "print('hi')\nreturn 1", "webhook_url": receiver.url})
    assert taken.status_code == 202
    assert nca.toolkit.wait_idle()
    ((_, body),) = receiver.got
    assert (body["code"], body["message"]) == (200, "success")
    assert body["response"] == {"result": 1, "stdout": "hi", "stderr": "", "exit_code": 0}
    assert nca.toolkit.made(taken.json()["job_id"]) == ()
