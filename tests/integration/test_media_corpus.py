"""The gate against the corpus: every good file is called what it is, every spoiled one turned away for the right reason."""

import os
import threading

import pytest

from local.media.corpus import SPECIMENS, Specimen, content, encode
from local.media.damage import Damaged, damaged, matches
from reelkeeper.adapters.probe import Probe
from reelkeeper.domain.media import Rejected, claim
from reelkeeper.domain.naming import content_type
from reelkeeper.services.media import MIB, inspect

# Every case is a process of its own; side by side they would only wait for each other.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("corpus")]
SPOILED = list({one.how for one in damaged()})


@pytest.fixture(scope="module")
def probe() -> Probe:
    return Probe()


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(SPECIMENS) >= 40
    assert len({specimen.name for specimen in SPECIMENS}) == len(SPECIMENS)


def test_making_it_leaves_nobody_with_real_time_priority() -> None:
    """As root SVT-AV1 raises its caller to FIFO 99; whatever is started later would inherit that and starve the machine."""
    encode(next(one for one in SPECIMENS if one.name == "av1.mp4"))
    threads = {os.sched_getscheduler(one.native_id) for one in threading.enumerate() if one.native_id}
    assert threads == {os.SCHED_OTHER}


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_a_good_file_passes_and_is_called_what_it_is(specimen: Specimen, probe: Probe) -> None:
    body = content(specimen.name)
    found = inspect(claim(specimen.name, seconds=2.0), len(body), lambda at, length: body[at : at + length], decoder=probe)
    assert found.verdict.playing is not None
    assert found.verdict.playing.reach is specimen.reach, str(found.verdict.playing)
    assert probe.cost is not None
    assert probe.cost.grown_bytes < 64 * MIB
    named = specimen.name.startswith(("matroska-inside", "sound-alone", "opus.webm"))
    assert named or found.verdict.media_type == content_type(specimen.name)


@pytest.mark.parametrize("how", sorted(SPOILED))
def test_a_spoiled_file_is_turned_away_for_the_right_reason(how: str, probe: Probe) -> None:
    for one in damaged():
        if one.how == how:
            assert matches(one.words, _reason(one, probe)), f"{one.name}: {_reason(one, probe)}"


def _reason(one: Damaged, probe: Probe) -> str:
    try:
        found = inspect(
            claim(one.name, operation=one.operation, seconds=one.seconds),
            len(one.body),
            lambda at, length: one.body[at : at + length],
            decoder=probe,
        )
    except Rejected as error:
        return error.reason
    return f"passed as {found.verdict.what}"
