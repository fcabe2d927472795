"""The process that opens a file with FFmpeg: the only module that imports PyAV, run as `python -m reelkeeper.adapters.decoder`.

It is a process of its own because a hostile file may crash FFmpeg, or take what memory and time there are; see probe.py, which
starts it, serves it the file's bytes over a pipe, and reads its answer. It has no network, no keys and no files to write, but
the one a remux was asked for.
"""

import json
import os
import resource
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from reelkeeper.domain.streams import Stream

MIB = 1024 * 1024
CPU_S = 20
# Beyond what Python and FFmpeg's libraries take themselves. More only for pictures that need it, and never beyond the last.
GROWTH, MOST_GROWTH = 64 * MIB, 512 * MIB
MAX_STREAMS = 32
# 8K with room; Chromium itself gives up at 16,384 pixels a side.
MAX_SIDE, MAX_PIXELS = 16_384, 8192 * 4352
# Full HD is decoded from the last key frame to the last frame; of larger pictures the key frame alone, to spare memory.
FULL_PIXELS = 1920 * 1088
FRAMES, PACKETS = 400, 4_000
BEGINNING_BYTES = 8 * MIB
# How far before the end to look for a key frame, in seconds.
BACK_S = (0.0, 1.0, 3.0, 12.0, 60.0)
# What FFmpeg may read to find out what is in a file; its own default, 5 MB, is more than 1 % of most.
PROBE_BYTES = MIB
READY, WANT, ANSWER = b"+", b"R", b"="


class NoMore(OSError):
    """The bytes of this file that may be read are used up."""


class Unfit(Exception):
    """The file is not fit to be kept; the reason is for a person."""


class Served:
    """The file as FFmpeg reads it: every byte asked for over the pipe."""

    def __init__(self, asked: BinaryIO, given: BinaryIO, size: int) -> None:
        self._asked, self._given, self._size = asked, given, size
        self._place = 0
        # How many bytes may still be asked for; None: it is for whom they are asked from to say.
        self.left: int | None = None

    def read(self, length: int = -1) -> bytes:
        length = self._size - self._place if length < 0 else min(length, self._size - self._place)
        if length <= 0:
            return b""
        if self.left is not None:
            self.left -= length
            if self.left < 0:
                raise NoMore("no more of this file may be read")
        self._asked.write(WANT + struct.pack(">QI", self._place, length))
        self._asked.flush()
        (count,) = struct.unpack(">i", self._given.read(4))
        if count < 0:
            raise NoMore("no more of this file may be read")
        body = self._given.read(count)
        self._place += len(body)
        return body

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place


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


def look(file: Served, order: Mapping[str, Any]) -> dict[str, Any]:
    """Open the file, decode its first and its last frames, and say what was seen."""
    import av  # noqa: PLC0415 - after the limits are set

    with _opened(av, file, order["demuxer"]) as container:
        streams = [_stream(one) for one in container.streams if one.type in ("video", "audio")]
        # What FFmpeg has no decoder for is in the list of streams all the same.
        known = [one for one in container.streams if one.codec_context is not None and not _cover(one)]
        picture = next((one for one in known if one.type == "video"), None)
        sound = next((one for one in known if one.type == "audio"), None)
        _allow_for(picture)
        for stream in (picture, sound):
            if stream is not None:
                stream.codec_context.thread_count = 1
        beginning = _decode(av, container, picture, sound, enough=_one_of_each, most_bytes=BEGINNING_BYTES)
        seen: dict[str, Any] = {
            "seconds": container.duration / av.time_base if container.duration else None,
            "streams": [asdict(one) for one in streams],
            "first": beginning.fault(picture, sound),
        }
        if seen["first"] is None and order["ends"]:
            # Twice looked at, and something to search with. Some containers are searched by reading on and on.
            file.left = 5 * order["tail_bytes"] // 2
            seen |= _last(av, container, picture, sound, most_bytes=order["tail_bytes"])
        return seen


def remux(file: Served, order: Mapping[str, Any]) -> dict[str, Any]:
    """Write the same streams, not re-encoded, into an MP4 with its index first."""
    import av  # noqa: PLC0415

    with _opened(av, file, order["demuxer"]) as container, av.open(order["path"], "w", "mp4", options=_FAST) as out:
        kept = [one for one in container.streams if one.type in ("video", "audio") and not _cover(one)]
        to = {one.index: out.add_stream_from_template(one, opaque=True) for one in kept}
        for packet in container.demux(kept):
            if packet.dts is not None:
                packet.stream = to[packet.stream_index]
                out.mux(packet)
    return {"bytes": os.stat(order["path"]).st_size}  # noqa: PTH116


# No date and no version in it: the same file gives the same bytes.
_FAST = {"movflags": "+faststart", "fflags": "+bitexact"}


def _opened(av: Any, file: Served, demuxer: str) -> Any:
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


def _allow_for(picture: Any) -> None:
    """Refuse what is too large; allow what is large the memory it needs, and decode its key frames alone."""
    if picture is None:
        return
    width, height = picture.codec_context.width, picture.codec_context.height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Unfit(f"its picture is {width}x{height}, larger than 8K, which no player shows")
    if width * height > FULL_PIXELS:
        # Three pictures of up to six bytes a pixel, beside the rest.
        _limit_memory(min(GROWTH + 18 * width * height, MOST_GROWTH))
        picture.codec_context.skip_frame = "NONKEY"


def _last(av: Any, container: Any, picture: Any, sound: Any, *, most_bytes: int) -> dict[str, Any]:
    """What is at the end: decoded from the last key frame on, or, where that is too far away, its last packets looked at."""
    heard = sound if picture is None else None
    try:
        # Where a container does not know its key frames, look for one farther and farther back.
        for back_s in BACK_S if picture is not None else BACK_S[1:]:
            _seek_end(av, container, back_s=back_s)
            ending = _decode(av, container, picture, sound, enough=_never, most_bytes=most_bytes)
            fault = ending.fault(picture, heard)
            if fault is None or not ending.reached:
                break
        if not ending.reached:
            # Too many to decode, but are the last ones there?
            _seek_end(av, container, back_s=0.0, any_frame=True)
            there = _decode(av, container, picture, sound, enough=_never, most_bytes=most_bytes, decode=False)
            ending, fault = there, None
        stream = picture if picture is not None else sound
        # One odd packet at the end of a film is no damage: some encoders leave one.
        if fault is None and ending.reached and ending.failing[stream.index] > (1 if picture is not None else 0):
            fault = f"its last frames cannot be decoded ({ending.faults[stream.index]})"
    except (av.error.FFmpegError, NoMore):
        # Some cannot be searched, or not for so little; whether they are whole was found out from their lengths.
        return {"last": None, "ends_at": None}
    return {"last": fault, "ends_at": max(ending.ends.values(), default=None) if ending.reached else None}


def _seek_end(av: Any, container: Any, *, back_s: float, any_frame: bool = False) -> None:
    if container.duration:
        start = container.start_time or 0
        at = start + container.duration - int(back_s * av.time_base)
        # Not to the very start, before which the first key frame may lie in order of decoding.
        container.seek(at if at > start else min(start, 0), backward=True, any_frame=any_frame)


def _decode(av: Any, container: Any, picture: Any, sound: Any, *, enough: Any, most_bytes: int, decode: bool = True) -> End:
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
            _take(av, end, packet, index, decode=decode, picture=picture)
        if enough(end):
            return end
    end.reached = True
    return end


def _take(av: Any, end: End, packet: Any, index: int, *, decode: bool, picture: Any) -> None:
    fault = None
    try:
        if decode:
            end.frames[index] += sum(1 for frame in packet.decode() if not frame.is_corrupt)
    except av.error.MemoryError:
        raise Unfit("it takes more memory to decode than any player has a reason to give") from None
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
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


def memory(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _limit_memory(growth: int) -> None:
    # Not RLIMIT_AS, which counts the libraries' own 100 MB and what is only set aside.
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (_base + growth, resource.getrlimit(resource.RLIMIT_DATA)[1]))


_base = 0


def main() -> None:
    """One order from stdin, one answer to stdout."""
    global _base
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked, given = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    import av  # noqa: PLC0415

    av.logging.set_level(None)
    order = json.loads(given.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu_s"], order["cpu_s"] + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    _base, resident = memory("VmData"), memory("VmRSS")
    resource.setrlimit(resource.RLIMIT_DATA, (_base + GROWTH, _base + MOST_GROWTH))
    asked.write(READY + struct.pack(">Q", resident))
    asked.flush()
    file = Served(asked, given, order["size"])
    try:
        answer = {"look": look, "remux": remux}[order["task"]](file, order)
    except Unfit as error:
        answer = {"unfit": str(error)}
    except NoMore:
        answer = {"unfit": "its beginning takes more to read than any player would"}
    except MemoryError:
        answer = {"unfit": "it takes more memory to open than any player has a reason to give"}
    except av.error.FFmpegError as error:
        answer = {"unfit": f"no player can open it ({error.strerror})"}
    body = json.dumps(answer | {"grown_bytes": memory("VmHWM") - resident}).encode()
    asked.write(ANSWER + struct.pack(">I", len(body)) + body)
    asked.flush()


if __name__ == "__main__":
    main()
    # Without taking leave of FFmpeg's libraries, whose own ends are not always peaceful.
    sys.stdout.flush()
    os._exit(0)
