"""Very large films, made quickly: ten seconds are encoded once, then muxed again and again until the file has its size."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

FPS, SECONDS, RATE = 25, 10, 48_000
# One key frame in ten seconds, as x264 does unasked; at this rate ten seconds are 25 MB.
_BITS_PER_S = 20_000_000
_TEMPLATE = "template.mp4"


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded packet, its times in units of its stream's time base."""

    picture: bool
    body: bytes
    pts: int
    dts: int
    duration: int
    key: bool


def film(path: Path, muxer: str, size: int, options: dict[str, str] | None = None) -> None:
    """Write a film of H.264 and AAC with at least `size` bytes."""
    packets, folder = _ten_seconds()
    with av.open(str(path), "w", format=muxer, options=options or {}) as out, av.open(f"{folder.name}/{_TEMPLATE}") as source:
        streams = {True: source.streams.video[0], False: source.streams.audio[0]}
        to = {picture: out.add_stream_from_template(stream, opaque=True) for picture, stream in streams.items()}
        written = turn = 0
        while written < size:
            for one in packets:
                out.mux(_again(one, turn, to[one.picture]))
                written += len(one.body)
            turn += 1


def sound(path: Path, size: int) -> None:
    """Write a WAV of silence with at least `size` bytes."""
    with av.open(str(path), "w", format="wav") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        for index in range(size // (RATE * 4) + 1):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=RATE)
            frame.sample_rate, frame.pts, frame.time_base = RATE, index * RATE, Fraction(1, RATE)
            frame.planes[0].update(bytes(RATE * 4))
            out.mux(stream.encode(frame))


def _again(one: Packet, turn: int, stream: Any) -> Any:
    base = Fraction(1, FPS) if one.picture else Fraction(1, RATE)
    shift = turn * (FPS if one.picture else RATE) * SECONDS
    packet = av.Packet(one.body)
    packet.time_base = base
    packet.pts, packet.dts, packet.duration = one.pts + shift, one.dts + shift, one.duration
    packet.is_keyframe = one.key
    packet.stream = stream
    return packet


@cache
def _ten_seconds() -> tuple[Sequence[Packet], "tempfile.TemporaryDirectory[str]"]:
    """Ten seconds of noise, which packs badly: the packets, and the file they are in, whose streams are theirs."""
    # Removed with this process, at the latest.
    folder = tempfile.TemporaryDirectory(prefix="reelkeeper-")
    with av.open(f"{folder.name}/{_TEMPLATE}", "w") as out:
        options = {"preset": "ultrafast", "b": str(_BITS_PER_S), "g": "250", "bf": "0", "sc_threshold": "0"}
        picture: Any = out.add_stream("libx264", rate=FPS, options=options)
        picture.width, picture.height, picture.pix_fmt = 1280, 720, "yuv420p"
        heard: Any = out.add_stream("aac", rate=RATE, layout="stereo")
        for second in range(SECONDS):
            _draw(out, picture, second)
            _be_silent(out, heard, second)
        out.mux(picture.encode(None))
        out.mux(heard.encode(None))
    with av.open(f"{folder.name}/{_TEMPLATE}") as container:
        packets = [_noted(one) for one in container.demux(container.streams.video[0], container.streams.audio[0]) if one.size]
    return packets, folder


def _noted(packet: Any) -> Packet:
    picture = packet.stream.type == "video"
    scale = packet.time_base * (FPS if picture else RATE)
    pts, dts, duration = (round(one * scale) for one in (packet.pts, packet.dts, packet.duration))
    return Packet(picture, bytes(packet), pts, dts, duration, bool(packet.is_keyframe))


def _draw(out: Any, stream: Any, second: int) -> None:
    noise = np.random.default_rng(second).integers(0, 256, (1080 + 37 * FPS, 1280), dtype=np.uint8)
    for index in range(FPS):
        frame = av.VideoFrame.from_ndarray(noise[index * 37 : index * 37 + 1080], format="yuv420p")
        frame.pts, frame.time_base = second * FPS + index, Fraction(1, FPS)
        out.mux(stream.encode(frame))


def _be_silent(out: Any, stream: Any, second: int) -> None:
    for index in range(second * RATE // 1024, (second + 1) * RATE // 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, index * 1024, Fraction(1, RATE)
        out.mux(stream.encode(frame))
