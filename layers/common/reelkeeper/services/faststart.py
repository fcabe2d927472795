"""FastStart: a film whose index is at its end is kept a second time with the index first, its streams untouched.

The copy gets an address of its own, and is what the ledger and Airtable know from the start: nothing that was ever published
changes, and the file as NCA made it stays where it is.
"""

import base64
import shutil
import tempfile
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from reelkeeper.adapters.bucket import Stored
from reelkeeper.adapters.probe import GateFailed
from reelkeeper.adapters.verdicts import Conflict, Taken
from reelkeeper.domain.containers import FORMS, Kind
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.media import Claim, Rejected
from reelkeeper.domain.naming import faststart_key, served_name
from reelkeeper.domain.playing import Reach
from reelkeeper.services.media import Decoder, Inspection, Serve, inspect
from reelkeeper.services.ranges import Ranges
from reelkeeper.telemetry import logger

MIB = 1024 * 1024
# S3 takes so much in one request.
MOST_BYTES = 5 * 1024 * MIB
# What is left of /tmp and of the worker's time must allow for this: the file twice over the network, and again to spare.
SPARE_BYTES, SPARE_S, BYTES_PER_S = 64 * MIB, 60.0, 20 * MIB
# No copy is worth more of a worker's time than this.
MOST_S = 600.0
_READ_AHEAD = 128
# Codecs that are at home in an MP4; another would make a file that no player opens.
_CODECS = ("H.264", "HEVC", "AV1", "AAC", "MP3", "AC-3", "E-AC-3", "Opus")


class Store(Protocol):
    def read(self, key: str, start: int, length: int) -> bytes: ...
    def put_file(self, key: str, path: Path, *, name: str, crc32: str) -> None: ...
    def head(self, key: str) -> Stored | None: ...


class Muxer(Decoder, Protocol):
    """A decoder that can also write the streams of a file into an MP4."""

    def remux(self, demuxer: str, size: int, serve: Serve, to: Path, *, most_bytes: int, patience_s: float) -> int: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """The copy whose index comes first."""

    key: str
    size: int
    crc32: str
    found: Inspection


class FastStart:
    """One at a time in a worker, since all share /tmp; `folder` is where the copy is made."""

    def __init__(self, bucket: Store, muxer: Muxer, *, folder: Path | None = None) -> None:
        self._bucket, self._muxer, self._folder = bucket, muxer, folder
        self._turn = threading.Lock()

    def move(self, claim: Claim, key: str, size: int, found: Inspection, *, left_s: Callable[[], float]) -> Moved | None:
        """The copy, in the bucket; None where none is needed, or none can be made: the file as it is plays, too.

        Raises RetryLater where the bucket fails.
        """
        if not _would_help(claim, found):
            return None
        with self._turn, tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / "copy.mp4"
            room = min(shutil.disk_usage(folder).free - SPARE_BYTES, MOST_BYTES)
            patience_s = min(left_s() - SPARE_S, MOST_S) - 2 * size / BYTES_PER_S
            if size > room or patience_s <= 0:
                logger.warning("no room or no time for FastStart", key=key, size=size, room=room, patience_s=round(patience_s))
                return None
            try:
                moved = self._copy(claim, key, size, found, path, room=room, patience_s=patience_s)
            except (Rejected, GateFailed) as error:
                # The file itself has passed; only the copy did not come out well.
                logger.warning("FastStart failed", key=key, reason=error.reason)
                return None
        return moved

    def _copy(self, claim: Claim, key: str, size: int, found: Inspection, path: Path, *, room: int, patience_s: float) -> Moved:
        ranges = Ranges(partial(self._bucket.read, key), size, most_bytes=2 * size + SPARE_BYTES, read_ahead=_READ_AHEAD)
        demuxer = FORMS[found.kind].demuxer
        self._muxer.remux(demuxer, size, ranges.serve, path, most_bytes=room, patience_s=patience_s)
        name = served_name(claim.name, "mp4")
        again = inspect(Claim(name, claim.sort, claim.operation, found.verdict.seconds), *_file(path), decoder=self._muxer)
        if again.verdict.streams != found.verdict.streams or not again.index_first:
            raise Rejected(f"the copy has {again.verdict.streams}, the file {found.verdict.streams}")
        to, crc32 = faststart_key(key), _crc32(path)
        try:
            self._bucket.put_file(to, path, name=name, crc32=crc32)
            taken = False
        except Taken:
            # By this very copy, which the same file always gives, when a worker died before it was noted.
            taken = True
        except Conflict as error:
            raise RetryLater(f"another worker is writing {to}: {error}") from error
        there = self._bucket.head(to)
        if there is None or there.size != path.stat().st_size or there.crc32 not in (None, crc32):
            if taken:  # made by another version of FFmpeg; what is there is never overwritten
                raise Rejected(f"another copy is under {to} already: {there}")
            raise RetryLater(f"the bucket does not show what was stored under {to}: {there}")
        return Moved(to, there.size, crc32, again)


def _would_help(claim: Claim, found: Inspection) -> bool:
    playing, streams = found.verdict.playing, found.verdict.streams
    if playing is None or playing.reach is Reach.NOWHERE or not all(one.split()[0] in _CODECS for one in streams):
        return False
    if found.kind in (Kind.MP4, Kind.MOV):
        return found.index_first is False
    return found.kind is Kind.MATROSKA and claim.extension in ("mp4", "m4v", "mov")


def _file(path: Path) -> tuple[int, Callable[[int, int], bytes]]:
    def read(start: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    return path.stat().st_size, read


def _crc32(path: Path) -> str:
    crc32 = 0
    with path.open("rb") as file:
        while piece := file.read(MIB):
            crc32 = zlib.crc32(piece, crc32)
    return base64.b64encode(crc32.to_bytes(4, "big")).decode("ascii")
