"""The table of what plays where, tried out: every file of the corpus, served with ranges under its type, in Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, send_file

from local import ports
from local.media.corpus import SPECIMENS, Specimen, content
from local.web import serving
from reelkeeper.adapters.probe import Probe
from reelkeeper.domain.media import claim
from reelkeeper.domain.playing import Reach
from reelkeeper.services.media import inspect
from tests.browser import Browser, browser, needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(600), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("corpus")
    app = Flask("corpus")

    @app.get("/<name>")
    def give(name: str) -> Response:
        # As the bucket does: the verdict's own type, and ranges.
        return send_file(folder / name, mimetype=media_type(name), conditional=True)

    for specimen in SPECIMENS:
        Path(folder / specimen.name).write_bytes(content(specimen.name))
    port = ports.choose(0, "the corpus")
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


def media_type(name: str) -> str:
    body = content(name)
    found = inspect(claim(name), len(body), lambda at, length: body[at : at + length], decoder=Probe())
    return found.verdict.media_type


@pytest.mark.parametrize("specimen", [one for one in SPECIMENS if one.reach is Reach.EVERYWHERE], ids=lambda one: one.name)
def test_what_is_said_to_play_everywhere_plays(specimen: Specimen, chromium: Browser, address: str) -> None:
    played = chromium.play(f"{address}/{specimen.name}")
    assert played.what == "ended", played
    assert played.seconds == pytest.approx(2.0, abs=0.3)
    assert played.width == (specimen.picture.width if specimen.picture else 0)
    assert played.frames > 0 or specimen.picture is None


@pytest.mark.parametrize("specimen", [one for one in SPECIMENS if one.reach is Reach.NOWHERE], ids=lambda one: one.name)
def test_what_is_said_to_play_nowhere_does_not(specimen: Specimen, chromium: Browser, address: str) -> None:
    played = chromium.play(f"{address}/{specimen.name}")
    assert played.what == "error" or (played.frames == 0 and specimen.picture is not None), played
