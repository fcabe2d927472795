"""Films and pictures as FFmpeg sees them: the only module that imports PyAV, and none but the decoder's process imports it.

What a file may take, in frames, packets and bytes at each end, is bounded here; memory and time are by the process.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import av
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.error import MemoryError as NoMemory

from reelkeeper.adapters.decoder import FULL_PIXELS, MAX_PIXELS, MAX_SIDE, NoMore, Served, Unfit
from reelkeeper.domain.streams import Stream

__all__ = ["FFmpegError", "look", "remux"]

MIB = 1024 * 1024
MAX_STREAMS = 32
FRAMES, PACKETS = 400, 4_000
BEGINNING_BYTES = 8 * MIB
# How far before the end to look for a key frame, in seconds.
BACK_S = (0.0, 1.0, 3.0, 12.0, 60.0)
# What FFmpeg may read to find out what is in a file; its own default, 5 MB, is more than 1 % of most.
PROBE_BYTES = MIB
# No date and no version in it: the same file gives the same bytes.
_FAST = {"movflags": "+faststart", "fflags": "+bitexact"}
# width, height → allows the memory such pictures need.
Allow = Callable[[int, int], None]


@dataclass(slots=True)
class End:
    """What was found at one end of the file, stream by stream: seconds at which it ends, and what could not be decoded."""

    frames: dict[int, int]
    ends: dict[int, float]
    # The last fault, and how many packets have failed since one was decoded.
    faults: dict[int, str]
    failing: dict[int, int]
    reached: bool = False

    def fault(self, picture: Any, sound: Any) -> str | None:
        """In words what could not be decoded at all, the picture first."""
        for stream, called in ((picture, "picture"), (sound, "sound")):
            if stream is not None and not self.frames[stream.index]:
                why = self.faults.get(stream.index)
                return f"its {called} cannot be decoded" + (f" ({why})" if why else "")
        return None


def look(file: Served, order: Mapping[str, Any], allow: Allow) -> dict[str, Any]:
    """Open the file, decode its first and its last frames, and say what was seen."""
    with _opened(file, order["demuxer"]) as container:
        streams = [_stream(one) for one in container.streams if one.type in ("video", "audio")]
        # What FFmpeg has no decoder for is in the list of streams all the same.
        known = [one for one in container.streams if one.codec_context is not None and not _cover(one)]
        picture = next((one for one in known if one.type == "video"), None)
        sound = next((one for one in known if one.type == "audio"), None)
        for stream in (picture, sound):
            if stream is not None:
                stream.codec_context.thread_count = 1
        seen: dict[str, Any] = {
            "seconds": container.duration / av.time_base if container.duration else None,
            "streams": [asdict(one) for one in streams],
            "first": None,
        }
        if picture is None and sound is None:
            return seen
        if picture is not None:
            _allow_for(picture, allow)
        beginning = _decode(container, picture, sound, enough=_one_of_each, most_bytes=BEGINNING_BYTES)
        seen["first"] = beginning.fault(picture, sound)
        if seen["first"] is None and order["ends"]:
            # Twice looked at, and something to search with. Some containers are searched by reading on and on.
            file.left = 5 * order["tail_bytes"] // 2
            seen |= _last(container, picture, sound, most_bytes=order["tail_bytes"])
        return seen


def remux(file: Served, order: Mapping[str, Any]) -> dict[str, Any]:
    """Write the same streams, not re-encoded, into an MP4 with its index first."""
    with _opened(file, order["demuxer"]) as container, av.open(order["path"], "w", "mp4", options=_FAST) as out:
        kept = [one for one in container.streams if one.type in ("video", "audio") and not _cover(one)]
        to = {one.index: out.add_stream_from_template(one, opaque=True) for one in kept}
        for packet in container.demux(kept):
            if packet.dts is not None:
                packet.stream = to[packet.stream_index]
                out.mux(packet)
    return {"bytes": os.stat(order["path"]).st_size}  # noqa: PTH116


def _opened(file: Served, demuxer: str) -> Any:
    # For the container alone: options of streams crash PyAV where streams turn up late, as in FLV (14.2).
    container = av.open(file, "r", demuxer, container_options={"probesize": str(PROBE_BYTES)}, metadata_errors="replace")
    if len(container.streams) > MAX_STREAMS:
        raise Unfit(f"it has more than {MAX_STREAMS} streams")
    return container


def _stream(stream: Any) -> Stream:
    context = stream.codec_context
    if context is None:
        return Stream(stream.type, "unknown")
    video = stream.type == "video"
    return Stream(
        sort=stream.type,
        codec=context.codec.canonical_name,
        profile=stream.profile,
        # PyAV's own `pix_fmt` crashes where there is none (17.1).
        pixels=context.format.name if video and context.format is not None else None,
        width=context.width if video else 0,
        height=context.height if video else 0,
        cover=_cover(stream),
    )


def _cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _allow_for(picture: Any, allow: Allow) -> None:
    """Refuse what is too large; allow what is large the memory it needs, and decode its key frames alone."""
    width, height = picture.codec_context.width, picture.codec_context.height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Unfit(f"its picture is {width}x{height}, larger than 8K, which no player shows")
    allow(width, height)
    if width * height > FULL_PIXELS:
        picture.codec_context.skip_frame = "NONKEY"


def _last(container: Any, picture: Any, sound: Any, *, most_bytes: int) -> dict[str, Any]:
    """What is at the end: decoded from the last key frame on, or, where that is too far away, its last packets looked at."""
    heard = sound if picture is None else None
    try:
        # Where a container does not know its key frames, look for one farther and farther back.
        for back_s in BACK_S if picture is not None else BACK_S[1:]:
            _seek_end(container, back_s=back_s)
            ending = _decode(container, picture, sound, enough=_never, most_bytes=most_bytes)
            fault = ending.fault(picture, heard)
            if fault is None or not ending.reached:
                break
        if not ending.reached:
            # Too many to decode, but are the last ones there?
            _seek_end(container, back_s=0.0, any_frame=True)
            there = _decode(container, picture, sound, enough=_never, most_bytes=most_bytes, decode=False)
            ending, fault = there, None
        stream = picture if picture is not None else sound
        # One odd packet at the end of a film is no damage: some encoders leave one.
        if fault is None and ending.reached and ending.failing[stream.index] > (1 if picture is not None else 0):
            fault = f"its last frames cannot be decoded ({ending.faults[stream.index]})"
    except (FFmpegError, NoMore):
        # Some cannot be searched, or not for so little; whether they are whole was found out from their lengths.
        return {"last": None, "ends_at": None}
    return {"last": fault, "ends_at": max(ending.ends.values(), default=None) if ending.reached else None}


def _seek_end(container: Any, *, back_s: float, any_frame: bool = False) -> None:
    if container.duration:
        start = container.start_time or 0
        at = start + container.duration - int(back_s * av.time_base)
        # Not to the very start, before which the first key frame may lie in order of decoding.
        container.seek(at if at > start else min(start, 0), backward=True, any_frame=any_frame)


def _decode(container: Any, picture: Any, sound: Any, *, enough: Any, most_bytes: int, decode: bool = True) -> End:
    wanted = [stream for stream in (picture, sound) if stream is not None]
    end = End({one.index: 0 for one in wanted}, {}, {}, {one.index: 0 for one in wanted})
    start = (container.start_time or 0) / av.time_base
    for count, (packet, read) in enumerate(_packets(container, wanted)):
        if read > most_bytes or count > PACKETS or sum(end.frames.values()) > FRAMES:
            return end
        index = packet.stream_index
        if packet.size and packet.pts is not None:
            at = float((packet.pts + (packet.duration or 0)) * packet.time_base) - start
            end.ends[index] = max(end.ends.get(index, 0.0), at)
        if packet.size or decode:
            _take(end, packet, index, decode=decode, picture=picture)
        if enough(end):
            return end
    end.reached = True
    return end


def _take(end: End, packet: Any, index: int, *, decode: bool, picture: Any) -> None:
    fault = None
    try:
        if decode:
            end.frames[index] += sum(1 for frame in packet.decode() if not frame.is_corrupt)
    except NoMemory:
        raise Unfit("it takes more memory to decode than any player has a reason to give") from None
    except EndOfFile:
        return
    except FFmpegError as error:
        fault = error.strerror
    if packet.size:
        if picture is not None and index == picture.index and not any(bytes(packet)):
            fault = "nothing but zeros"
        end.failing[index] = end.failing[index] + 1 if fault else 0
        end.faults |= {index: fault} if fault else {}


def _packets(container: Any, wanted: Any) -> Iterator[tuple[Any, int]]:
    read = 0
    for packet in container.demux(wanted):
        read += packet.size
        yield packet, read


def _one_of_each(end: End) -> bool:
    return all(end.frames.values())


def _never(_end: End) -> bool:
    return False
