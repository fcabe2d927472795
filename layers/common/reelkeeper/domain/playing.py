"""Will a browser play it? By container, codec, profile and pixel format, for the browsers of today.

"Everywhere" is every present Chrome, Edge, Firefox and Safari. Where they differ the verdict names what they differ about.
The table is tried out against Chromium for every file of the corpus (tests/integration/test_browser.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reelkeeper.domain.containers import Kind
from reelkeeper.domain.streams import Stream


class Reach(StrEnum):
    """In which browsers."""

    EVERYWHERE = "plays everywhere"
    SOME = "plays in some browsers"
    NOWHERE = "will not play in a browser"


@dataclass(frozen=True, slots=True)
class Playing:
    """The verdict, and what keeps it from being better (None for what plays everywhere)."""

    reach: Reach
    because: str | None = None

    def __str__(self) -> str:
        return f"{self.reach}: {self.because}" if self.because else str(self.reach)


_E, _S, _N = Reach.EVERYWHERE, Reach.SOME, Reach.NOWHERE
_CONTAINERS = {
    Kind.MP4: _E,
    Kind.WEBM: _E,
    Kind.MP3: _E,
    Kind.AAC: _E,
    Kind.WAV: _E,
    Kind.FLAC: _E,
    # Firefox refuses QuickTime by its type, Safari Matroska; Ogg is new in Safari.
    Kind.MOV: _S,
    Kind.MATROSKA: _S,
    Kind.OGG: _S,
    Kind.AIFF: _S,
}
_CODECS = {
    "h264": _E,
    "vp8": _E,
    "vp9": _E,
    "aac": _E,
    "mp3": _E,
    "opus": _E,
    "vorbis": _E,
    "flac": _E,
    # With the right hardware, or in Safari alone.
    "hevc": _S,
    "av1": _S,
    "prores": _S,
    "alac": _S,
    "ac3": _S,
    "eac3": _S,
}
# What a codec needs its usual container for.
_AT_HOME = {
    "vp8": {Kind.WEBM},
    "vp9": {Kind.WEBM},
    "opus": {Kind.WEBM, Kind.OGG},
    "vorbis": {Kind.WEBM, Kind.OGG},
    "flac": {Kind.FLAC},
}
_PLAIN_PIXELS = frozenset({"yuv420p", "yuvj420p", "yuva420p", None})
_PCM_EVERYWHERE = frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"})


def playing(kind: Kind, pictures: Sequence[Stream], sounds: Sequence[Stream]) -> Playing:
    """The verdict on what a player picks: the first picture and the first sound."""
    parts = [_container(kind), *(_picture(kind, one) for one in pictures[:1]), *(_codec(kind, one) for one in sounds[:1])]
    order = list(Reach)
    return max(parts, key=lambda part: order.index(part.reach))


def _container(kind: Kind) -> Playing:
    reach = _CONTAINERS.get(kind, _N)
    return Playing(reach, None if reach is _E else str(kind))


def _picture(kind: Kind, stream: Stream) -> Playing:
    verdict = _codec(kind, stream)
    if verdict.reach is _E and stream.pixels not in _PLAIN_PIXELS:
        return Playing(_S, f"{stream.called} in {stream.pixels}, where yuv420p plays everywhere")
    return verdict


def _codec(kind: Kind, stream: Stream) -> Playing:
    if stream.codec.startswith("pcm_"):
        return _pcm(kind, stream)
    reach = _CODECS.get(stream.codec, _N)
    if reach is _E and kind not in _AT_HOME.get(stream.codec, {kind}):
        return Playing(_S, f"{stream.called} in {kind}")
    return Playing(reach, None if reach is _E else stream.called)


def _pcm(kind: Kind, stream: Stream) -> Playing:
    if kind is Kind.WAV and stream.codec in _PCM_EVERYWHERE:
        return Playing(_E)
    return Playing(_S if kind in (Kind.WAV, Kind.AIFF, Kind.MOV, Kind.MATROSKA) else _N, f"{stream.called} in {kind}")
