"""Does it play? A file is decoded from its first frame to its last, as a player would, not merely opened."""

import io
from dataclasses import dataclass
from pathlib import Path

import av
from av.error import FFmpegError


@dataclass(frozen=True, slots=True)
class Probe:
    """What a player finds: seconds, pixels, frames that could be decoded; zero width for sound alone."""

    seconds: float
    width: int
    height: int
    frames: int
    sound_seconds: float
    video_codec: str | None
    audio_codec: str | None

    def __str__(self) -> str:
        picture = f"{self.width}x{self.height} {self.video_codec}, {self.frames} frames" if self.width else "no picture"
        return f"{self.seconds:.1f} s, {picture}, {self.audio_codec or 'no'} sound"


class DoesNotPlay(ValueError):
    """The file cannot be decoded; the message says where it breaks."""


def probe(content: bytes | Path) -> Probe:
    """Decode everything; raises DoesNotPlay for what no player can show."""
    try:
        with av.open(io.BytesIO(content) if isinstance(content, bytes) else str(content), mode="r") as container:
            picture = container.streams.video[0] if container.streams.video else None
            sound = container.streams.audio[0] if container.streams.audio else None
            frames, sound_seconds, end = 0, 0.0, 0.0
            for frame in container.decode(*(stream for stream in (picture, sound) if stream is not None)):
                if isinstance(frame, av.VideoFrame):
                    frames += 1
                    end = max(end, frame.time or 0.0)
                elif isinstance(frame, av.AudioFrame):
                    sound_seconds += frame.samples / frame.sample_rate
            seconds = container.duration / av.time_base if container.duration else max(end, sound_seconds)
            if not frames and not sound_seconds:
                raise DoesNotPlay("nothing in it can be decoded")
            return Probe(
                seconds=seconds,
                width=picture.width if picture is not None else 0,
                height=picture.height if picture is not None else 0,
                frames=frames,
                sound_seconds=sound_seconds,
                video_codec=picture.codec_context.codec.canonical_name if picture is not None else None,
                audio_codec=sound.codec_context.codec.canonical_name if sound is not None else None,
            )
    except FFmpegError as error:
        raise DoesNotPlay(str(error)) from error
