"""What a person does: open the permanent address in a browser, and watch."""

import pytest
import requests

from local.engine import Engine
from local.world import World
from tests.browser import browser, needs_chromium
from tests.e2e.ledger import settled

pytestmark = [pytest.mark.browser, needs_chromium]


def test_a_browser_plays_the_permanent_address_to_its_end_long_after_ncas_file_is_gone(
    world: World, engine: Engine, scene: str, voice: str
) -> None:
    order = engine.combine("Watched", scene, voice)
    settled(world, engine, order)
    for name in world.nca.toolkit.made(order.job_id):
        world.nca.storage.delete(name)
    address = engine.permanent_url(order) or ""
    assert requests.get(address, headers={"Range": "bytes=10-19"}, timeout=10).status_code == 206
    with browser() as chromium:
        played = chromium.play(address)
    assert played.what == "ended", played
    assert played.seconds == pytest.approx(2.0, abs=0.2)
    assert (played.width, played.frames > 30) == (320, True)
