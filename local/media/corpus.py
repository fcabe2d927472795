"""A corpus of media: every container and codec PyAV can make that NCA or a browser might, with what is right to say of each.

Small on purpose: two seconds of a moving picture and a tone, encoded once and kept in memory.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from reelkeeper.domain.playing import Reach

SECONDS, FPS = 2.0, 12
_E, _S, _N = Reach.EVERYWHERE, Reach.SOME, Reach.NOWHERE


@dataclass(frozen=True, slots=True)
class Picture:
    """How the picture is encoded; FFmpeg's names."""

    codec: str
    pixels: str = "yuv420p"
    width: int = 160
    height: int = 96
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sound:
    """How the tone is encoded."""

    codec: str
    rate: int = 48_000
    layout: str = "stereo"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One good file: its name, how it is made, and the verdict that is right."""

    name: str
    muxer: str
    picture: Picture | None
    sound: Sound | None
    reach: Reach
    options: dict[str, str] = field(default_factory=dict)


def _h264(profile: str, pixels: str = "yuv420p", **options: str) -> Picture:
    return Picture("libx264", pixels, options={"profile": profile, "preset": "ultrafast", "g": "12", **options})


_AVC = _h264("main")
_AAC, _MP3, _OPUS, _VORBIS, _FLAC = Sound("aac"), Sound("libmp3lame"), Sound("libopus"), Sound("vorbis"), Sound("flac")
_PCM = Sound("pcm_s16le")
_VP8 = Picture("libvpx", options={"deadline": "realtime", "cpu-used": "8", "g": "12"})
_VP9 = Picture("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "12"})
_HEVC = Picture("libx265", options={"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"})
_AV1 = Picture("libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"})
_FAST = {"movflags": "+faststart"}
_FRAGMENTED = {"movflags": "+frag_keyframe+empty_moov"}

SPECIMENS: tuple[Specimen, ...] = (
    Specimen("h264-baseline.mp4", "mp4", _h264("baseline"), _AAC, _E),
    Specimen("h264-main.mp4", "mp4", _AVC, _AAC, _E),
    Specimen("h264-high.mp4", "mp4", _h264("high"), _AAC, _E),
    Specimen("h264-b-frames.mp4", "mp4", Picture("libx264", options={"preset": "veryfast", "bf": "3"}), _AAC, _E),
    Specimen("h264-one-gop.mp4", "mp4", _h264("main", g="250"), None, _E),
    Specimen("h264-faststart.mp4", "mp4", _AVC, _AAC, _E, _FAST),
    Specimen("h264-fragmented.mp4", "mp4", _AVC, _AAC, _E, _FRAGMENTED),
    Specimen("h264-silent.mp4", "mp4", _AVC, None, _E),
    Specimen("h264-mp3.mp4", "mp4", _AVC, _MP3, _E),
    Specimen("h264-opus.mp4", "mp4", _AVC, _OPUS, _S),
    Specimen("h264-flac.mp4", "mp4", _AVC, _FLAC, _S),
    Specimen("h264-ac3.mp4", "mp4", _AVC, Sound("ac3"), _S),
    Specimen("h264-10-bit.mp4", "mp4", _h264("high10", "yuv420p10le"), _AAC, _S),
    Specimen("h264-422.mp4", "mp4", _h264("high422", "yuv422p"), _AAC, _S),
    Specimen("h264-444.mp4", "mp4", _h264("high444", "yuv444p"), _AAC, _S),
    Specimen("h264-full-hd.mp4", "mp4", Picture("libx264", "yuv420p", 1920, 1080, {"preset": "ultrafast"}), _AAC, _E),
    Specimen("h264-4k.mp4", "mp4", Picture("libx264", "yuv420p", 3840, 2160, {"preset": "ultrafast"}), None, _E),
    Specimen("hevc.mp4", "mp4", _HEVC, _AAC, _S),
    Specimen("av1.mp4", "mp4", _AV1, _AAC, _S),
    Specimen("vp9.mp4", "mp4", _VP9, _AAC, _S),
    Specimen("mpeg4.mp4", "mp4", Picture("mpeg4"), _AAC, _N),
    Specimen("mjpeg.mp4", "mp4", Picture("mjpeg", "yuvj420p"), _AAC, _N),
    Specimen("sound-alone.mp4", "mp4", None, _AAC, _E),
    Specimen("h264.mov", "mov", _AVC, _AAC, _S),
    Specimen("prores.mov", "mov", Picture("prores_ks", "yuv422p10le"), _PCM, _S),
    Specimen("mjpeg.mov", "mov", Picture("mjpeg", "yuvj420p"), _PCM, _N),
    Specimen("h264.mkv", "matroska", _AVC, _AAC, _S),
    Specimen("matroska-inside.mp4", "matroska", _AVC, _AAC, _S),
    Specimen("vp9-flac.mkv", "matroska", _VP9, _FLAC, _S),
    Specimen("mpeg4.mkv", "matroska", Picture("mpeg4"), _MP3, _N),
    Specimen("ffv1.mkv", "matroska", Picture("ffv1"), _FLAC, _N),
    Specimen("vp8-vorbis.webm", "webm", _VP8, _VORBIS, _E),
    Specimen("vp9-opus.webm", "webm", _VP9, _OPUS, _E),
    Specimen("av1-opus.webm", "webm", _AV1, _OPUS, _S),
    Specimen("opus.webm", "webm", None, _OPUS, _E),
    Specimen("mpeg4.avi", "avi", Picture("mpeg4"), _MP3, _N),
    Specimen("h264.avi", "avi", _AVC, _MP3, _N),
    Specimen("mjpeg.avi", "avi", Picture("mjpeg", "yuvj420p"), _PCM, _N),
    Specimen("h264.flv", "flv", _AVC, _AAC, _N),
    Specimen("flv1.flv", "flv", Picture("flv"), Sound("libmp3lame", 44_100), _N),
    Specimen("h264.ts", "mpegts", _AVC, _AAC, _N),
    Specimen("mpeg2.ts", "mpegts", Picture("mpeg2video"), Sound("mp2"), _N),
    Specimen("hevc.ts", "mpegts", _HEVC, _AAC, _N),
    Specimen("vp8.ogv", "ogg", _VP8, _VORBIS, _S),
    Specimen("vorbis.ogg", "ogg", None, _VORBIS, _S),
    Specimen("opus.opus", "opus", None, _OPUS, _S),
    Specimen("flac.ogg", "ogg", None, _FLAC, _S),
    Specimen("tone.mp3", "mp3", None, _MP3, _E),
    Specimen("bare.mp3", "mp3", None, _MP3, _E, {"write_xing": "0", "id3v2_version": "0"}),
    Specimen("aac.m4a", "ipod", None, _AAC, _E),
    Specimen("alac.m4a", "ipod", None, Sound("alac"), _S),
    Specimen("adts.aac", "adts", None, _AAC, _E),
    Specimen("pcm16.wav", "wav", None, _PCM, _E),
    Specimen("pcm24.wav", "wav", None, Sound("pcm_s24le"), _E),
    Specimen("mulaw.wav", "wav", None, Sound("pcm_mulaw", 8_000, "mono"), _S),
    Specimen("tone.flac", "flac", None, _FLAC, _E),
    Specimen("pcm.aiff", "aiff", None, Sound("pcm_s16be"), _S),
)


@cache
def content(specimen_name: str) -> bytes:
    """The bytes of a specimen, made when first asked for."""
    return encode(next(one for one in SPECIMENS if one.name == specimen_name))


def encode(specimen: Specimen, *, seconds: float = SECONDS) -> bytes:
    """Encode a moving picture and a tone as a specimen says."""
    with TemporaryDirectory() as folder:
        # A path, since FFmpeg opens the file again to move its index to the front.
        path = Path(folder) / "specimen"
        # In a thread of its own: as root SVT-AV1 gives the thread that calls it real-time priority, and for good. Whatever is
        # started from there inherits it, and a Go or Node process then starves the very thread it is waiting for.
        with ThreadPoolExecutor(1) as hand:
            hand.submit(_encode, path, specimen, seconds).result()
        return path.read_bytes()


def _encode(path: Path, specimen: Specimen, seconds: float) -> None:
    # SVT-AV1 chats to the screen.
    os.environ.setdefault("SVT_LOG", "1")
    with av.open(str(path), "w", format=specimen.muxer, options=specimen.options) as container:
        shown = _picture_stream(container, specimen.picture) if specimen.picture else None
        heard = _sound_stream(container, specimen.sound) if specimen.sound else None
        for second in range(round(seconds)):
            if shown is not None and specimen.picture is not None:
                _draw(container, shown, specimen.picture, second)
            if heard is not None:
                _sing(container, heard, second)
        for stream in (shown, heard):
            if stream is not None:
                container.mux(stream.encode(None))


def _picture_stream(container: Any, picture: Picture) -> Any:
    stream = container.add_stream(picture.codec, rate=FPS, options=dict(picture.options))
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.pixels
    stream.codec_context.thread_count = 1
    return stream


def _sound_stream(container: Any, sound: Sound) -> Any:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    if sound.codec == "vorbis":
        # FFmpeg's own encoder is called experimental.
        stream.codec_context.options = {"strict": "experimental"}
    return stream


def _draw(container: Any, stream: Any, picture: Picture, second: int) -> None:
    for index in range(second * FPS, (second + 1) * FPS):
        # Drawn small and enlarged where it is to be large.
        y, x = np.mgrid[0:96, 0:160]
        image = np.stack([(x * 2 + index * 5) % 256, (y * 3 + index * 3) % 256, (x + y + index * 7) % 256], axis=-1)
        frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24").reformat(
            picture.width, picture.height, picture.pixels
        )
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        container.mux(stream.encode(frame))


def _sing(container: Any, stream: Any, second: int) -> None:
    context = stream.codec_context
    rate, count = context.sample_rate, context.sample_rate // 10
    form = context.format.name if context.format is not None else "s16"
    resampler = av.AudioResampler(format=form, layout=context.layout.name, rate=rate, frame_size=context.frame_size or None)
    for tenth in range(10):
        at = (np.arange(count) + (second * 10 + tenth) * count) / rate
        wave = (8_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, (second * 10 + tenth) * count, Fraction(1, rate)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
