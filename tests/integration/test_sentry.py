"""Sentry, played by a receiver on loopback that takes envelopes: what arrives there, and what must not."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOKEN, NCA_KEY = "patAirtableToken.0123456789", "nca-key-0123456789"
# A worker as the functions make it, on the settings they get; only the secret is put in its place.
WORKER = """
import os, sys
import reelkeeper.services.outside as outside
from reelkeeper.settings import Settings
from reelkeeper.telemetry import about, flush, logger

secret = {"airtable_token": os.environ["TOKEN"], "nca_api_key": os.environ["NCA_KEY"], "sentry_dsn": os.environ["DSN"]}
outside.read_secret = lambda client, name: secret
outside.Outside.from_settings(Settings.read(os.environ))
logger.info("all is well")
with about(job_id="job-1", record_id="rec1", origin="webhook"):
    logger.error("incident", reason="asked with " + secret["nca_api_key"] + " at https://nca.example/x?key=hidden")
    try:
        password = secret["airtable_token"]
        raise RuntimeError("no answer from https://files.example/film.mp4?X-Amz-Signature=0badcafe for " + password)
    except RuntimeError:
        logger.exception("job failed on a fault of ours")
flush()
print("sentry_sdk" in sys.modules)
"""


class Receiver(ThreadingHTTPServer):
    """Takes envelopes and keeps their items."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Envelopes)
        self.paths: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.raw = b""

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/42"


class _Envelopes(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.server.paths.append(self.path)
        self.server.raw += body
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        self.server.events += [line for line in lines if "event_id" in line and "level" in line]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def work(dsn: str) -> list[str]:
    """Run the worker and return what it printed."""
    environ = {
        "PATH": os.defpath,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "QUEUE_URL": "http://127.0.0.1/q",
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/d",
        "TABLE": "ledger",
        "BUCKET": "bucket",
        "SECRET_ARN": "secret",
        "PUBLIC_URL_TEMPLATE": "https://kept.example",
        "AIRTABLE_BASE_ID": "appReelkeeperDemo",
        "POWERTOOLS_SERVICE_NAME": "reelkeeper-test",
        "TOKEN": TOKEN,
        "NCA_KEY": NCA_KEY,
        "DSN": dsn,
    }
    done = subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_error_arrives_with_its_job_and_nothing_secret(receiver: Receiver) -> None:
    work(receiver.dsn)
    assert set(receiver.paths) == {"/api/42/envelope/"}
    said = [event["logentry"]["message"] for event in receiver.events]
    assert said == ["incident", "job failed on a fault of ours"]
    for event in receiver.events:
        assert event["environment"] == "reelkeeper-test"
        assert event["tags"]["job_id"] == "job-1"
        assert event["tags"]["origin"] == "webhook"
    assert receiver.events[1]["exception"]["values"][0]["value"].startswith("no answer from https://files.example/film.mp4")
    for secret in (TOKEN, NCA_KEY, "0badcafe", "key=hidden", "X-Amz-Signature", '"vars"'):
        assert secret not in receiver.raw.decode()


def test_without_a_dsn_the_library_is_not_even_imported(receiver: Receiver) -> None:
    assert work("")[-1] == "False"
    assert receiver.paths == []


def test_a_dsn_that_is_none_is_one_line_and_stops_nothing() -> None:
    lines = work("sentry.example")
    (told,) = [json.loads(line) for line in lines if "faults are not reported" in line]
    assert "copy it again" in told["reason"]


def test_sentry_being_away_costs_a_run_two_seconds_at_most() -> None:
    assert work("http://public@127.0.0.1:9/42")[-1] == "True"
