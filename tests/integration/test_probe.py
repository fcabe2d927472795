"""The decoder's process: what becomes of the file, and of us, when it crashes, hangs, starves or cannot even start."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from local.media import make
from reelkeeper.adapters.probe import GateFailed, Probe
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.media import Rejected

READY = """
    import os, resource, signal, sys, time
    sys.stdin.buffer.readline()
    os.write(1, b"+" + bytes(8))
"""


def a_decoder(script: str, *, patience_s: float = 60.0) -> Probe:
    """A probe whose decoder runs this script instead."""
    return Probe((sys.executable, "-c", textwrap.dedent(script)), patience_s=patience_s)


def look(probe: Probe, body: bytes = b"x" * 100) -> object:
    return probe.look("mov", len(body), lambda at, length: body[at : at + length], tail_bytes=1 << 20)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE"])
def test_a_file_that_crashes_the_decoder_is_turned_away(name: str) -> None:
    with pytest.raises(Rejected, match="crash"):
        look(a_decoder(READY + f"    os.kill(os.getpid(), signal.{name})\n"))


def test_a_file_that_takes_too_much_of_the_processor_is_cut_off_and_turned_away() -> None:
    with pytest.raises(Rejected, match="more than 20 seconds of a processor"):
        look(a_decoder(READY + "    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\n    while True: pass\n"))


@pytest.mark.parametrize(
    "script",
    [
        "import no_such_module",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import os; os.write(1, b'what?')",
        READY + "    os.kill(os.getpid(), signal.SIGKILL)\n",
        READY + "    os.kill(os.getpid(), signal.SIGILL)\n",
        READY + "    sys.exit(1)\n",
    ],
    ids=["no PyAV", "crash before the file", "gibberish", "killed by the machine", "wrong processor", "a fault of ours"],
)
def test_what_goes_wrong_on_our_side_is_never_blamed_on_the_file(script: str) -> None:
    with pytest.raises(GateFailed):
        look(a_decoder(script))


def test_a_decoder_that_hangs_is_given_up_in_its_time() -> None:
    with pytest.raises(GateFailed, match="did not come to an end"):
        look(a_decoder(READY + "    time.sleep(600)\n", patience_s=0.5))


def test_an_interpreter_that_is_not_there_is_our_fault() -> None:
    with pytest.raises(GateFailed, match="could not be started"):
        look(Probe(("/nonexistent/python",)))


def test_a_store_that_does_not_answer_is_heard_as_it_is() -> None:
    def fails(_start: int, _length: int) -> bytes:
        raise RetryLater("the bucket did not answer")

    with pytest.raises(RetryLater, match="the bucket did not answer"):
        Probe().look("mov", 1000, fails, tail_bytes=1 << 20)


def test_a_file_whose_beginning_takes_too_much_reading_is_turned_away() -> None:
    with pytest.raises(Rejected, match="beginning takes more to read"):
        Probe().look("mov", 1000, lambda _start, _length: None, tail_bytes=1 << 20)


def test_a_film_is_seen_from_its_first_frame_to_its_last() -> None:
    seen = Probe().look(
        "mov", len(body := make.video(tone_hz=440)), lambda at, length: body[at : at + length], tail_bytes=1 << 20
    )
    assert [(one.sort, one.codec) for one in seen.streams] == [("video", "h264"), ("audio", "aac")]
    assert (seen.first, seen.last) == (None, None)
    assert seen.seconds == pytest.approx(2.0, abs=0.1)
    assert seen.ends_at == pytest.approx(2.0, abs=0.1)


def test_the_decoder_is_given_no_environment_and_so_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    script = READY + "    sys.exit(0 if 'AWS_SECRET_ACCESS_KEY' in os.environ else os.kill(os.getpid(), signal.SIGSEGV))\n"
    with pytest.raises(Rejected, match="crash"):
        look(a_decoder(script))


def test_nothing_is_left_running_or_open() -> None:
    before = sorted(path.name for path in Path("/proc/self/fd").iterdir())
    for _ in range(3):
        with pytest.raises(GateFailed):
            look(a_decoder(READY + "    time.sleep(600)\n", patience_s=0.2))
    assert sorted(path.name for path in Path("/proc/self/fd").iterdir()) == before


def test_nobody_loads_pyav_but_the_decoder_once_it_has_a_file() -> None:
    loads = "import sys, reelkeeper.services.outside, reelkeeper.adapters.decoder; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0
