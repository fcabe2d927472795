"""Each command in a pseudo-terminal, on a place with jobs in every condition; what it shows is kept in tests/golden."""

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from reelkeeper.domain.message import Message, decode
from tests.golden import compare
from tests.integration.operated import FAILED, KEPT, REJECTED, STUCK, Operated, operated, reelkeeper
from tests.terminal import REELKEEPER

pytestmark = [pytest.mark.xdist_group("operated"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def here() -> Iterator[Operated]:
    with operated() as place:
        yield place


def letters(here: Operated) -> int:
    return here.dead_letters.length().waiting


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("trace-help", ["trace", "--help"]),
        ("jobs", ["jobs"]),
        ("jobs-stuck", ["jobs", "--stuck"]),
        ("jobs-since", ["jobs", "--since", "2d"]),
        ("jobs-failed-json", ["jobs", "--state", "failed", "--json"]),
        ("jobs-none", ["jobs", "--op", "nothing"]),
        ("trace", ["trace", KEPT]),
        ("trace-json", ["trace", STUCK, "--json"]),
        ("trace-failed", ["trace", "recFailed00000000"]),
        ("recover-dry-run", ["recover", "--all", "--dry-run"]),
        ("recover-settled", ["recover", KEPT, "--yes"]),
        ("resubmit-refused", ["resubmit", REJECTED, "--yes"]),
        ("replay-dry-run", ["replay", FAILED, "--dry-run"]),
        ("redrive-dry-run", ["redrive", "--dry-run"]),
        ("inbox", ["inbox"]),
        ("report", ["report"]),
        ("doctor-ill", ["doctor", "--wait", "2", "--webhook-base-url", "http://127.0.0.1:9"]),
    ],
)  # fmt: skip
def test_a_command_shows_what_it_showed_when_it_was_found_good(here: Operated, name: str, words: list[str]) -> None:
    compare(name, reelkeeper(here, *words).text)


@pytest.mark.parametrize("text", ["opening.mp4", f"https://media.example.com/outputs/{KEPT}/0-opening.mp4", "TARGET", "ROW"])
def test_every_name_of_a_job_traces_to_it(here: Operated, text: str) -> None:
    shown = reelkeeper(here, "trace", {"TARGET": here.target_id, "ROW": here.record_id}.get(text, text))
    assert shown.status == 0
    assert shown.text.startswith(f"{KEPT} (combine, record {here.record_id}): kept.")


def test_a_source_that_is_down_is_one_line_of_the_timeline(here: Operated) -> None:
    here.airtable.faults.down = True
    try:
        shown = reelkeeper(here, "trace", KEPT)
    finally:
        here.airtable.faults.clear()
    assert shown.status == 0
    assert [line for line in shown.text.splitlines() if "could not be asked" in line and "Airtable" in line]
    assert "outputs copied" in shown.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unknown-id", ["trace", "nobody-knows"]),
        ("unknown-id-recover", ["recover", "nobody-knows"]),
        ("unknown-id-replay", ["replay", "nobody-knows"]),
        ("missing-stack", ["jobs", "--stack", "nowhere"]),
        ("missing-profile", ["jobs", "--profile", "nobody"]),
        ("unreachable", ["jobs", "--endpoint-url", "http://127.0.0.1:1"]),
        ("bad-time", ["jobs", "--since", "yesterday"]),
        ("bad-state", ["jobs", "--state", "vanished"]),
        ("nothing-named", ["recover"]),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_remedy_and_status_2(here: Operated, name: str, words: list[str]) -> None:
    shown = reelkeeper(here, *words)
    assert (shown.status, shown.text.count("\n")) == (2, 1)
    compare(name, shown.text)


def test_expired_credentials_are_one_line_with_the_remedy(here: Operated) -> None:
    """IAM is enforced by the emulator: a key it does not know is refused as AWS refuses it."""
    shown = reelkeeper(here, "jobs", AWS_ACCESS_KEY_ID="AKIAEXPIRED000000000", AWS_SECRET_ACCESS_KEY="x")
    assert (shown.status, shown.text.count("\n")) == (2, 1)
    assert "sign in again" in shown.text


def test_no_permission_is_one_line_with_the_remedy(here: Operated) -> None:
    iam = here.client("iam")
    iam.create_user(UserName="onlooker")
    key = iam.create_access_key(UserName="onlooker")["AccessKey"]
    shown = reelkeeper(here, "jobs", AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    assert (shown.status, shown.text.count("\n")) == (2, 1)
    assert "may not" in shown.text


def test_a_dry_run_and_a_no_change_nothing(here: Operated) -> None:
    before = (letters(here), here.queue.length().waiting, len(list(here.inbox.waiting())))
    for words in (["redrive"], ["inbox", "--take"], ["replay", FAILED], ["recover", STUCK]):
        assert reelkeeper(here, *words, "--dry-run").status == 0
        declined = reelkeeper(here, *words, types="n\n")
        assert "Nothing was done." in declined.text
    assert (letters(here), here.queue.length().waiting, len(list(here.inbox.waiting()))) == before


def test_nobody_is_asked_in_a_pipe_and_no_colour_is_sent_there(here: Operated) -> None:
    listed = subprocess.run(
        [REELKEEPER, "jobs", "--since", "9d"], env={**here.environ}, capture_output=True, text=True, check=True
    )
    assert "\x1b" not in listed.stdout + listed.stderr
    assert len([line for line in listed.stdout.splitlines() if "-0000-4000-" in line]) == 6
    asked = subprocess.run(
        [REELKEEPER, "replay", FAILED],
        env={**here.environ},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert asked.returncode == 2
    assert "--yes" in asked.stderr


def test_an_interrupted_command_leaves_every_dead_letter_where_it_was(here: Operated) -> None:
    before = letters(here)
    process = subprocess.Popen(
        [REELKEEPER, "redrive"],
        env={**here.environ, "TERM": "dumb"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while here.dead_letters.length().in_work < before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (2, 130)
    assert letters(here) == before


def test_an_interruption_at_the_question_does_nothing_and_says_so(here: Operated) -> None:
    before = here.queue.length()
    # What a terminal makes of Ctrl-C.
    shown = reelkeeper(here, "replay", FAILED, types="\x03")
    assert shown.status == 130
    assert "Interrupted." in shown.text
    assert here.queue.length() == before


def test_replay_sends_the_kept_callback_as_the_operators(here: Operated) -> None:
    compare("replay", reelkeeper(here, "replay", FAILED, types="y\n").text)
    (sent,) = (decode(letter.text) for letter in list(here.queue.take(limit=10, hidden=timedelta(minutes=1))))
    assert isinstance(sent, Message)
    assert sent.origin == "operator"


def test_inbox_takes_in_what_waits_and_redrive_what_is_dead(here: Operated) -> None:
    compare("inbox-take", reelkeeper(here, "inbox", "--take", "--yes").text)
    compare("redrive", reelkeeper(here, "redrive", types="y\n").text)
    compare("redrive-discard", reelkeeper(here, "redrive", "--discard", "--yes").text)
    assert (letters(here), list(here.inbox.waiting())) == (0, [])
    assert "There are no dead letters." in reelkeeper(here, "redrive").text
    assert "The inbox is empty." in reelkeeper(here, "inbox").text
