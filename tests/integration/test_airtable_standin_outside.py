"""The stand-in Airtable from outside: its page, its controls, and `python -m local.airtable`."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.airtable import Served, serve

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


def control(airtable: Served, method: str, path: str, body: object = None) -> requests.Response:
    return requests.request(method, f"{airtable.address}/_control/{path}", json=body, timeout=5)


def listed(airtable: Served) -> int:
    headers = {"Authorization": f"Bearer {airtable.token}"}
    return requests.get(f"{airtable.address}/v0/{airtable.base_id}/Jobs", headers=headers, timeout=5).status_code


def test_the_page_shows_tables_records_and_links_to_files(airtable: Served) -> None:
    video = airtable.base.create("Videos", {"Name": "<b>Film</b>", "Video + Music URL": "https://media.example.org/1.mp4"})
    airtable.base.create("Jobs", {"Related Video": [video]})
    airtable.base.create("Segments", {"Video": [{"url": f"{airtable.address}/_control/"}]})
    assert airtable.wait_ingested(5)
    page = requests.get(airtable.address, timeout=5).text
    assert "<h2>Webhook Events <small>0</small></h2>" in page
    assert "&lt;b&gt;Film&lt;/b&gt;" in page
    assert f'<a href="#{video}">{video}</a>' in page
    assert '<a href="https://media.example.org/1.mp4">' in page
    link = re.search(r'href="([^"]*/v0/attachments/[^"]*)"', page)
    assert link
    assert requests.get(link[1], timeout=5).status_code == 200


def test_faults_are_added_seen_and_cleared(airtable: Served) -> None:
    added = control(airtable, "POST", "faults", {"kind": "retriable", "times": None, "retry_after_s": 3}).json()
    assert added["waiting"][0]["kind"] == "retriable"
    assert listed(airtable) == 503
    assert control(airtable, "DELETE", "faults").json() == {"down": False, "waiting": []}
    assert listed(airtable) == 200


@pytest.mark.parametrize("body", [{"kind": "tremor"}, {}, {"kind": "drop", "time": 3}, {"kind": "drop", "times": "all"}, []])
def test_a_fault_nobody_knows_is_refused_with_the_kinds(airtable: Served, body: object) -> None:
    refused = control(airtable, "POST", "faults", body)
    assert refused.status_code == 422
    assert airtable.faults.waiting() == []


def test_down_and_up(airtable: Served) -> None:
    assert control(airtable, "PUT", "down", body=True).json()["down"] is True
    with pytest.raises(requests.ConnectionError):
        listed(airtable)
    control(airtable, "PUT", "down", body=False)
    assert listed(airtable) == 200


def test_the_journal_can_be_read_and_cleared(airtable: Served) -> None:
    listed(airtable)
    journal = control(airtable, "GET", "journal?table=Jobs").json()
    assert [(one["method"], one["status"], one["at"]) for one in journal["requests"]] == [
        ("GET", 200, "2026-11-23T12:00:00.000Z")
    ]
    assert journal["busiest_second"] == 1
    assert control(airtable, "GET", "journal?table=Videos").json()["requests"] == []
    control(airtable, "DELETE", "journal")
    assert control(airtable, "GET", "journal").json()["requests"] == []


def test_limits_switches_and_the_clock_can_be_set(airtable: Served) -> None:
    assert control(airtable, "PATCH", "rate", {"quota_used_up": True}).json() == {"on": False, "quota_used_up": True}
    assert listed(airtable) == 429
    changed = control(
        airtable, "PATCH", "switches", {"iterator_ttl": 60, "frozen_now": "2026-11-23T10:00:00Z", "retry_after_s": 30}
    )
    assert changed.json()["iterator_ttl"] == 60
    assert airtable.switches.frozen_now == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert control(airtable, "POST", "clock", {"advance_s": 7200}).json() == {"now": "2026-11-23T14:00:00.000Z"}


def test_a_setting_nobody_knows_is_refused(airtable: Served) -> None:
    assert control(airtable, "PATCH", "switches", {"nope": 1}).status_code == 422
    assert control(airtable, "POST", "clock", {"advance_s": "1 h"}).status_code == 422
    assert "POST /_control/faults" in control(airtable, "GET", "").json()


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    # What it prints is read line by line, as it comes.
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "local.airtable", *arguments],
        cwd=ROOT,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def said_until(child: subprocess.Popen[str], end: str) -> str:
    said = ""
    assert child.stdout
    while end not in said:
        line = child.stdout.readline()
        assert line, f"it ended: {said}"
        said += line
    return said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_is_and_ends_with_a_word(how: signal.Signals) -> None:
    with command("--port", "0", "--no-rate-limit", "--fault", "error:2:get:Jobs", "--fault", "drop:always") as child:
        said = said_until(child, "Ctrl-C")
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert address
        assert "patLocal.local" in said
        assert "appReelkeeperDemo" in said
        headers = {"Authorization": "Bearer patLocal.local"}
        jobs = f"{address[0]}/v0/appReelkeeperDemo/Jobs"
        assert [requests.get(jobs, headers=headers, timeout=5).status_code for _ in range(2)] == [500, 500]
        with pytest.raises(requests.ConnectionError):
            requests.get(jobs, headers=headers, timeout=5)
        child.send_signal(how)
        assert child.communicate(timeout=5) == ("Stopped\n", "")
        assert child.returncode == 0


def test_a_port_in_use_is_told_in_one_line_and_another_is_taken() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with command("--port", str(port)) as child:
            first, second, *_ = said_until(child, "Ctrl-C").splitlines()
    assert re.fullmatch(rf"Port {port} is in use by another program; Airtable takes \d+", first)
    assert str(port) not in second


def test_a_wrong_argument_is_told_in_one_line() -> None:
    for wrong in ("tremor", "drop:often", "drop:1:GET:Jobs:more"):
        with command("--fault", wrong) as child:
            _, complaint = child.communicate(timeout=10)
        assert child.returncode == 2
        assert f"argument --fault: '{wrong}" in complaint
