"""Sample media, made by encoding: a scene of moving colours, a tone of a known pitch, or both in one file."""

import io
import math
from fractions import Fraction
from typing import cast

import av
import numpy as np
from PIL import Image

RATE_HZ = 44_100
# A key frame twice a second, so that a cut without re-encoding comes near the second that was asked for.
_KEY_FRAMES_PER_S = 2


def video(
    *, seconds: float = 2.0, width: int = 320, height: int = 180, fps: int = 24, hue: float = 0.0, tone_hz: float | None = None
) -> bytes:
    """An MP4 (H.264, with AAC where `tone_hz` is given); `hue` from 0 to 1 tells one scene from another."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = fps // _KEY_FRAMES_PER_S
        sound = container.add_stream("aac", rate=RATE_HZ) if tone_hz is not None else None
        for index in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(_scene(index / fps, width, height, hue), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if isinstance(sound, av.AudioStream) and tone_hz is not None:
            _mux_tone(container, sound, seconds, tone_hz)
    return file.getvalue()


def audio(*, seconds: float = 2.0, tone_hz: float = 440.0) -> bytes:
    """An MP3 with one tone."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        _mux_tone(container, cast(av.AudioStream, container.add_stream("libmp3lame", rate=RATE_HZ)), seconds, tone_hz)
    return file.getvalue()


def picture(*, width: int = 320, height: int = 180, hue: float = 0.5) -> bytes:
    """A JPEG of the scene's first moment."""
    file = io.BytesIO()
    Image.fromarray(_scene(0.0, width, height, hue)).save(file, "JPEG")
    return file.getvalue()


def _scene(at_s: float, width: int, height: int, hue: float) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    bands = [0.5 + 0.5 * np.sin(2 * math.pi * (x * 2 + y + at_s / 2 + hue + third / 3)) for third in range(3)]
    ball = (x - 0.5 - 0.3 * math.cos(at_s * 3)) ** 2 + (y - 0.5 - 0.3 * math.sin(at_s * 3)) ** 2 < 0.01
    image = np.stack(bands, axis=-1) * 200
    image[ball] = 255
    return image.astype(np.uint8)


def _mux_tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float, tone_hz: float) -> None:
    chunk = 1024
    for start in range(0, round(seconds * RATE_HZ), chunk):
        at = (np.arange(start, start + chunk)) / RATE_HZ
        wave = (0.3 * np.sin(2 * math.pi * tone_hz * at)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
