"""What NCA does with media, done for real: joined, cut, remuxed and looked into with PyAV, on files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

# ffmpeg's names of containers by what stands behind `-f`; compose names its outputs after it, and by nothing else.
_EXTENSIONS = {"mp4": "mp4", "mp3": "mp3", "matroska": "mkv", "webm": "webm", "wav": "wav", "mov": "mov", "adts": "aac"}

_BANNER = "ffmpeg version 7.0.2"


class Failed(RuntimeError):
    """ffmpeg said no; the message is what NCA reports."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stream of one input, by the number of the input."""

    number: int
    kind: str


def extension(options: Sequence[Mapping[str, Any]]) -> str:
    """The extension compose gives an output: by `-f` alone, `mp4` where there is none or an unknown one."""
    return _EXTENSIONS.get(str(_option(options, "-f") or ""), "mp4")


def compose(inputs: Sequence[Path], options: Sequence[Mapping[str, Any]], to: Path) -> None:
    """Mux the streams that `-map` names (else the best of each kind), sound as AAC if asked, cut to the shortest if asked."""
    for codec in ("-c", "-c:v", "-c:a"):
        wanted = _option(options, codec)
        if wanted not in (None, "copy", "aac", "libx264", "h264", "libmp3lame"):
            raise Failed(
                f"ffmpeg version 7.0.2\n[vost#0:0] Unknown encoder '{wanted}'\nError opening output files: Encoder not found"
            )
    with ExitStack() as files, _translated():
        opened = [files.enter_context(av.open(str(path), mode="r")) for path in inputs]
        wanted_streams = list(_mapped(options)) or _best(opened)
        seconds = _option(options, "-t")
        ends = float(str(seconds)) if seconds is not None else None
        if any(option.get("option") == "-shortest" for option in options):
            ends = min((_seconds(opened[one.number]) for one in wanted_streams), default=ends or 0.0)
        out = files.enter_context(av.open(str(to), mode="w", format=str(_option(options, "-f") or "mp4")))
        encodes = {"audio"} if _option(options, "-c:a") == "aac" else set()
        pairs = []
        for one in wanted_streams:
            stream = _stream(opened[one.number], one.kind)
            encode = one.kind in encodes
            target = out.add_stream("aac", rate=stream.rate) if encode else out.add_stream_from_template(stream)
            pairs.append((opened[one.number], stream, target, _encode if encode else _copy))
        for container, stream, target, convey in pairs:
            container.seek(0)
            convey(container, stream, out, target, ends=ends)


def join(inputs: Sequence[Path], to: Path) -> None:
    """One after the other without re-encoding, as ffmpeg's concat demuxer does; the first decides which streams there are."""
    with ExitStack() as files, _translated():
        opened = [files.enter_context(av.open(str(path), mode="r")) for path in inputs]
        out = files.enter_context(av.open(str(to), mode="w", format="mp4"))
        kinds = [stream.type for stream in (*opened[0].streams.video[:1], *opened[0].streams.audio[:1])]
        targets = {kind: out.add_stream_from_template(_stream(opened[0], kind)) for kind in kinds}
        offset = 0.0
        for container in opened:
            for kind in kinds:
                container.seek(0)
                _copy(container, _stream(container, kind), out, targets[kind], offset=offset)
            offset += _seconds(container)


def cut(source: Path, to: Path, *, start: float, end: float) -> None:
    """The part between two seconds, from the key frame at or before the first."""
    with _translated(), av.open(str(source), mode="r") as container, av.open(str(to), mode="w", format="mp4") as out:
        if start >= _seconds(container):
            raise Failed(f"Start time {start} is beyond the end of the video")
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        targets = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        container.seek(int(start * av.time_base))
        first: float | None = None
        for packet in container.demux(streams):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if first is None:
                first = float(packet.pts * packet.time_base)
            at = float(packet.pts * packet.time_base)
            if first <= at < end:
                _shift(packet, -first)
                packet.stream = targets[packet.stream_index]
                out.mux(packet)


def still(source: Path, to: Path, *, second: float) -> None:
    """The picture at a second, as JPEG."""
    with _translated(), av.open(str(source), mode="r") as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= second:
                frame.to_image().save(to, "JPEG")  # type: ignore[no-untyped-call]
                return
    raise Failed(f"no frame at second {second}")


def film(picture: Path, to: Path, *, seconds: float, fps: int) -> None:
    """A still picture as a video of some length."""
    with _translated(), av.open(str(picture), mode="r") as container, av.open(str(to), mode="w", format="mp4") as out:
        frame = next(container.decode(video=0))
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = frame.width // 2 * 2, frame.height // 2 * 2, "yuv420p"
        for index in range(max(round(seconds * fps), 1)):
            copy = frame.reformat(stream.width, stream.height, "yuv420p")
            copy.pts, copy.time_base = index, Fraction(1, fps)
            out.mux(stream.encode(copy))
        out.mux(stream.encode())


def describe(path: Path) -> dict[str, Any]:
    """What `/v1/media/metadata` answers, and compose adds to an output when asked."""
    with _translated(), av.open(str(path), mode="r") as container:
        picture = container.streams.video[0] if container.streams.video else None
        sound = container.streams.audio[0] if container.streams.audio else None
        return {
            "filesize": path.stat().st_size,
            "duration": round(_seconds(container), 2),
            "bitrate": container.bit_rate,
            "width": picture.width if picture is not None else None,
            "height": picture.height if picture is not None else None,
            "video_codec": picture.codec_context.name if picture is not None else None,
            "audio_codec": sound.codec_context.name if sound is not None else None,
            "has_video": picture is not None,
            "has_audio": sound is not None,
        }


def _option(options: Sequence[Mapping[str, Any]], name: str) -> object:
    return next((option.get("argument") for option in options if option.get("option") == name), None)


def _mapped(options: Sequence[Mapping[str, Any]]) -> Iterator[Chosen]:
    kinds = {"v": "video", "a": "audio"}
    for option in options:
        if option.get("option") == "-map":
            number, _, kind = str(option.get("argument", "")).partition(":")
            yield Chosen(int(number), kinds.get(kind[:1], "video"))


def _best(opened: Sequence[Any]) -> list[Chosen]:
    return [
        Chosen(number, kind)
        for kind in ("video", "audio")
        for number in [next((n for n, one in enumerate(opened) if getattr(one.streams, kind)), None)]
        if number is not None
    ]


def _stream(container: Any, kind: str) -> Any:
    streams = getattr(container.streams, kind)
    if not streams:
        raise Failed(f"Stream map matches no streams: the input has no {kind}\nError opening output files: Invalid argument")
    return streams[0]


def _seconds(container: Any) -> float:
    return container.duration / av.time_base if container.duration else 0.0


def _copy(container: Any, stream: Any, out: Any, target: Any, *, offset: float = 0.0, ends: float | None = None) -> None:
    for packet in container.demux(stream):
        if packet.dts is None or packet.pts is None:
            continue
        if ends is not None and float(packet.pts * packet.time_base) >= ends:
            continue
        _shift(packet, offset)
        packet.stream = target
        out.mux(packet)


def _encode(container: Any, stream: Any, out: Any, target: Any, *, ends: float | None = None) -> None:
    for frame in container.decode(stream):
        if ends is None or frame.time < ends:
            out.mux(target.encode(frame))
    out.mux(target.encode(None))


def _shift(packet: Any, seconds: float) -> None:
    ticks = round(seconds / packet.time_base)
    packet.pts += ticks
    packet.dts += ticks


@contextmanager
def _translated() -> Iterator[None]:
    """FFmpeg's errors as NCA reports them."""
    try:
        yield
    except FFmpegError as error:
        raise Failed(f"{_BANNER}\n{error.filename or 'input'}: {error.strerror}") from error
