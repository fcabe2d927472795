"""A real browser: Debian's chromium, headless, in which a `<video>` element plays an address, or says why not."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)")

_ARGUMENTS = [
    # Root, as in CI, may not use Chromium's own sandbox; what is played here is ours.
    "--no-sandbox",
    "--mute-audio",
    # A page may otherwise not reach this very machine unless a person says yes (Chromium 142).
    "--disable-features=LocalNetworkAccessChecks",
]
# Plays muted, as browsers let a page do unasked; ends when the film does, when it cannot go on, or after half a minute.
_PLAY = """
address => new Promise(done => {
  const video = document.createElement("video");
  const tell = what => done({
    what, seconds: video.currentTime, length: video.duration, width: video.videoWidth,
    frames: video.getVideoPlaybackQuality().totalVideoFrames, error: video.error ? video.error.message : "",
  });
  video.muted = true;
  video.addEventListener("ended", () => tell("ended"));
  video.addEventListener("error", () => tell("error"));
  setTimeout(() => tell("stuck"), 30000);
  document.body.append(video);
  video.src = address;
  video.play().catch(() => {});
})
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a `<video>`: "ended", "error" or "stuck"; seconds played and in all, pixels, frames shown."""

    what: str
    seconds: float
    length: float | None
    width: int
    frames: int
    error: str


class Browser:
    """One page of a browser."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def play(self, address: str) -> Played:
        """Play what is at an address to its end."""
        self._page.goto("about:blank")
        return Played(**self._page.evaluate(_PLAY, address))


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium for as long as the block lasts."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield Browser(chromium.new_page())
        finally:
            chromium.close()
