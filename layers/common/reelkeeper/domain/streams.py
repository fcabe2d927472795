"""One stream of a media file, as far as a verdict needs it, and what people call its codec."""

from dataclasses import dataclass
from typing import Literal

_CALLED = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp8": "VP8",
    "vp9": "VP9",
    "mpeg4": "MPEG-4 Part 2",
    "mpeg2video": "MPEG-2",
    "mjpeg": "Motion JPEG",
    "prores": "ProRes",
    "theora": "Theora",
    "flv1": "Sorenson Spark",
    "aac": "AAC",
    "mp3": "MP3",
    "opus": "Opus",
    "vorbis": "Vorbis",
    "flac": "FLAC",
    "alac": "ALAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """`codec`, `profile` and `pixels` as FFmpeg names them; width and height 0 for sound; `cover` is an album's picture."""

    sort: Literal["video", "audio"]
    codec: str
    profile: str | None = None
    pixels: str | None = None
    width: int = 0
    height: int = 0
    cover: bool = False

    @property
    def called(self) -> str:
        return _CALLED.get(self.codec, "PCM" if self.codec.startswith("pcm_") else self.codec)

    def __str__(self) -> str:
        return f"{self.called} {self.width}x{self.height}" if self.sort == "video" else self.called
