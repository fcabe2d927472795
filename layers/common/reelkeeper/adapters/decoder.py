"""The process that opens a file with FFmpeg: its bounds, and its talk over pipes.

It is a process of its own because a hostile file may crash FFmpeg, or take what memory and time there are; see probe.py, which
starts it, serves it the file's bytes over a pipe, and reads its answer. It has no network, no keys and no files to write, but
the one a remux was asked for. What is done with the file is in frames.py.
"""

import json
import os
import resource
import struct
from contextlib import suppress
from typing import Any, BinaryIO

MIB = 1024 * 1024
CPU_S = 20
# Beyond what Python and FFmpeg's libraries take themselves; more only for a long film's index and for pictures that need it.
GROWTH, INDEX_GROWTH, MOST_GROWTH = 64 * MIB, 384 * MIB, 512 * MIB
# Full HD is decoded from the last key frame to the last frame; of larger pictures the key frame alone, to spare memory.
FULL_PIXELS = 1920 * 1088
# 8K with room; Chromium itself gives up at 16,384 pixels a side.
MAX_SIDE, MAX_PIXELS = 16_384, 8192 * 4352
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


class Memory:
    """What this process may take. Not RLIMIT_AS, which counts the libraries' own 100 MB and what is only set aside."""

    def __init__(self, size: int) -> None:
        # A film's index takes some 70 bytes a packet (measured): ten hours of a still picture over rain come to half the file.
        self._base = status("VmData") + min(size, INDEX_GROWTH)
        self.resident = status("VmRSS")
        resource.setrlimit(resource.RLIMIT_DATA, (self._base + GROWTH, self._base + MOST_GROWTH))

    def allow(self, width: int, height: int) -> None:
        """Allow twenty pictures of this size, or, where only key frames are decoded, three of the deepest kind."""
        needed = 20 * 4 if width * height <= FULL_PIXELS else 3 * 6
        most = self._base + min(GROWTH + needed * width * height, MOST_GROWTH)
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))

    def grown(self) -> int:
        return status("VmHWM") - self.resident


def status(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """One order from stdin, one answer to stdout."""
    asked, given = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    # Here, so that nobody else's process loads FFmpeg.
    from reelkeeper.adapters.frames import FFmpegError, look, remux  # noqa: PLC0415

    order: dict[str, Any] = json.loads(given.readline())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (order["cpu_s"], order["cpu_s"] + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    memory = Memory(order["size"])
    asked.write(READY + struct.pack(">Q", memory.resident))
    asked.flush()
    file = Served(asked, given, order["size"])
    try:
        answer = look(file, order, memory.allow) if order["task"] == "look" else remux(file, order)
    except Unfit as error:
        answer = {"unfit": str(error)}
    except NoMore:
        answer = {"unfit": "its beginning takes more to read than any player would"}
    except MemoryError:
        answer = {"unfit": "it takes more memory to open than any player has a reason to give"}
    except FFmpegError as error:
        answer = {"unfit": f"no player can open it ({error.strerror})"}
    body = json.dumps(answer | {"grown_bytes": memory.grown()}).encode()
    asked.write(ANSWER + struct.pack(">I", len(body)) + body)
    asked.flush()
    # Without taking leave of FFmpeg's libraries, whose own ends are not always peaceful.
    os._exit(0)
