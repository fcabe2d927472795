"""`reelkeeper copy` as a whole process: what an operator types, and what he sees."""

import fcntl
import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from struct import pack

import pytest

from local.seaweedfs import REGION, Store
from reelkeeper.domain import checkpoint
from tests.integration import counted
from tests.integration.conftest import LARGE, SMALL
from tests.integration.recording import before

pytestmark = pytest.mark.xdist_group("seaweedfs")


@pytest.fixture
def environ(store: Store, tmp_path: Path) -> dict[str, str]:
    """A person's environment as the mission writes it, and nothing of AWS in it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPACES_ENDPOINT": store.endpoint,
        "SPACES_REGION": REGION,
        "SPACES_BUCKET_NAME": "kept",
        "SPACES_ACCESS_KEY": store.access_key,
        "SPACES_SECRET_KEY": store.secret_key,
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from reelkeeper.cli import main; main()", "copy", *words]


def reelkeeper(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), env=environ, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(("name", "body"), [("small.mp4", SMALL), ("large.mp4", LARGE)])
def test_a_key_alone_goes_into_the_bucket_of_the_environment(
    store: Store, environ: dict[str, str], name: str, body: bytes
) -> None:
    with before(store.endpoint) as elsewhere:
        done = reelkeeper(environ, f"{elsewhere.address}/made/{name}", f"by-hand/{name}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"s3://kept/by-hand/{name}: {len(body):,} bytes in ")
    assert done.stdout.count("\n") == 1
    found = store.client().get_object(Bucket="kept", Key=f"by-hand/{name}")
    assert found["Body"].read() == body
    assert found["ContentType"] == "video/mp4"


def test_everything_can_be_said_on_the_command_line_and_the_keys_be_a_profiles(
    store: Store, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(
        f"[mine]\naws_access_key_id={store.access_key}\naws_secret_access_key={store.secret_key}\nregion={REGION}\n"
    )
    bare = {"PATH": environ["PATH"], "HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    words = ["--endpoint", store.endpoint, "--profile", "mine", "--addressing", "path", "--json"]
    done = reelkeeper(bare, f"{store.endpoint}/made/small.mp4", "s3://kept/said/", *words)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["object"], told["bytes"]) == ("s3://kept/said/small.mp4", len(SMALL))
    assert store.client().head_object(Bucket="kept", Key="said/small.mp4")["ContentLength"] == len(SMALL)


@pytest.mark.parametrize(
    ("url", "target", "changed", "says"),
    [
        ("{store}/made/missing.mp4?token=secret", "never.mp4", {}, "404"),
        ("{store}/made/small.mp4", "s3:kept/never.mp4", {"SPACES_BUCKET_NAME": ""}, "s3://BUCKET/KEY"),
        ("{store}/made/small.mp4", "never.mp4", {"SPACES_SECRET_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ("{store}/made/small.mp4", "never.mp4", {"SPACES_SECRET_KEY": ""}, "go together"),
        ("{store}/made/small.mp4", "s3://no-such-bucket/never.mp4", {}, "NoSuchBucket"),
        ("ftp://nca.example/film.mp4", "never.mp4", {}, "ftp://nca.example/film.mp4"),
        ("http://127.0.0.1:1/film.mp4", "never.mp4", {}, "http://127.0.0.1:1/film.mp4"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    store: Store, environ: dict[str, str], url: str, target: str, changed: dict[str, str], says: str
) -> None:
    done = reelkeeper({**environ, **changed}, url.format(store=store.endpoint), target)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "secret" not in done.stderr.replace("SPACES_SECRET_KEY", "")


def test_a_terminal_shows_how_far_the_copy_is(store: Store, environ: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, pack("HHHH", 24, 120, 0, 0))
    watched, seen = {**environ, "TERM": "xterm"}, b""
    with before(store.endpoint) as elsewhere:
        wanted = command(f"{elsewhere.address}/made/large.mp4", "watched.mp4")
        child = subprocess.Popen(wanted, env=watched, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:
            # Linux: the other end has been closed.
            pass
        os.close(ours)
        assert child.wait() == 0
    assert b"watched.mp4" in seen
    assert b"/22.0 MB" in seen or b"MiB" in seen


def test_what_lies_in_the_same_store_is_copied_by_the_store(store: Store, environ: dict[str, str]) -> None:
    done = reelkeeper(environ, f"{store.endpoint}/made/large.mp4", "inside/large.mp4", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["way"] == "server-side"
    assert store.client().get_object(Bucket="kept", Key="inside/large.mp4")["Body"].read() == LARGE


def test_the_same_command_again_finds_its_copy_and_leaves_no_note_behind(
    store: Store, environ: dict[str, str], tmp_path: Path
) -> None:
    words = (f"{store.endpoint}/made/large.mp4", "again.mp4", "--json")
    assert reelkeeper(environ, *words).returncode == 0
    again = reelkeeper(environ, *words)
    assert (again.returncode, json.loads(again.stdout)["bytes"]) == (0, len(LARGE))
    assert not [found for found in tmp_path.rglob("copies/*") if found.is_file()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_broken_off_the_same_command_goes_on(
    store: Store, environ: dict[str, str], tmp_path: Path, how: signal.Signals
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(random.Random(7).randbytes(200 * 2**20))
    with counted.serve(film, chance=random.Random(7), mib_a_second=(4, 12)) as source:
        wanted = (source.address, f"broken-{how.name}.mp4", "--json")
        with subprocess.Popen(command(*wanted), env=environ, stderr=subprocess.PIPE, text=True) as child:
            noted = _wait_for_a_part(tmp_path)
            child.send_signal(how)
            _, said = child.communicate(timeout=60)
        if how is signal.SIGINT:
            assert (child.returncode, said.count("\n")) == (130, 1)
        given = source.given
        # The first one ended because it was told to, not because it was done.
        assert given < film.stat().st_size
        done = reelkeeper(environ, *wanted)
        assert (done.returncode, done.stderr) == (0, "")
        assert source.given - given <= film.stat().st_size - noted + counted.ON_THE_WAY
    assert store.client().get_object(Bucket="kept", Key=wanted[1])["Body"].read() == film.read_bytes()


def _wait_for_a_part(home: Path) -> int:
    """Until the command's note speaks of a part; returns how many bytes that are."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for note in home.rglob("copies/*"):
            saved = checkpoint.read(note.read_text("utf-8")) if note.suffix != ".new" else None
            if saved and saved.crc32:
                return len(saved.crc32) * saved.part_bytes
        time.sleep(0.02)
    raise AssertionError("no part was noted in a minute")
