"""Look into a file with FFmpeg, safely: a process of its own with bounds on time and memory, fed with ranges over a pipe.

Pipes and one process, no more: Lambda has no shared memory for what `multiprocessing` builds on. The process inherits no
environment, so that whoever breaks out of FFmpeg finds no keys in it.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelkeeper.adapters.decoder import ANSWER, CPU_S, READY, WANT
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.media import Look, Rejected
from reelkeeper.domain.streams import Stream

MIB = 1024 * 1024
# Beyond this the machine is too busy or something hangs; the time it takes to fetch bytes does not count.
PATIENCE_S = 120.0
# How many may look at once in one worker: each takes Python and FFmpeg beside what the file needs.
SIDE_BY_SIDE = 2
# Signals by which a process dies of the file it was given; any other death is no fault of the file.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE}

_RUN = "from reelkeeper.adapters.decoder import main; main()"
# start, length → the bytes there; None where no more of the file may be read.
Serve = Callable[[int, int], bytes | None]


class GateFailed(RetryLater):
    """Our own means failed, not the file: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a look took beyond the process itself: bytes of memory, seconds."""

    grown_bytes: int
    seconds: float


class Probe:
    """Starts a decoder for each file; `command` is what runs it, for tests of its death."""

    def __init__(self, command: Sequence[str] | None = None, *, patience_s: float = PATIENCE_S) -> None:
        # -S and -s: what it may import is named below, and nothing else is looked for.
        self._command = command or (sys.executable, "-s", "-S", "-P", "-c", _RUN)
        self._patience_s = patience_s
        self._turns = threading.Semaphore(SIDE_BY_SIDE)
        self.cost: Cost | None = None

    def look(self, demuxer: str, size: int, serve: Serve, *, tail_bytes: int, ends: bool = True) -> Look:
        """What is in the file; raises Rejected where it cannot be opened or exhausts us, GateFailed where we failed."""
        order = {"task": "look", "demuxer": demuxer, "size": size, "tail_bytes": tail_bytes, "ends": ends}
        seen = self._ask({**order, "cpu_s": CPU_S, "file_bytes": 0}, serve, self._patience_s)
        streams = [Stream(**one) for one in seen["streams"]]
        return Look(seen["seconds"], streams, seen["first"], seen.get("last"), seen.get("ends_at"))

    def remux(self, demuxer: str, size: int, serve: Serve, to: Path, *, most_bytes: int, patience_s: float) -> int:
        """Write the file's streams into an MP4 whose index comes first, and return its bytes; raises as `look` does."""
        order = {"task": "remux", "demuxer": demuxer, "size": size, "path": str(to)}
        cpu_s = max(CPU_S, int(patience_s))
        return int(self._ask({**order, "cpu_s": cpu_s, "file_bytes": most_bytes}, serve, patience_s)["bytes"])

    def _ask(self, order: Mapping[str, Any], serve: Serve, patience_s: float) -> dict[str, Any]:
        with self._turns, self._process() as process:
            began = time.monotonic()
            answer = _Talk(process, serve, patience_s).hold(order)
            self.cost = Cost(answer["grown_bytes"], time.monotonic() - began)
        if "unfit" in answer:
            raise Rejected(answer["unfit"])
        return answer

    @contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        # Where this process found its modules, the layer's and PyAV's, the other finds them, too.
        environ = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LANG": "C.UTF-8"}
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module, our own interpreter
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environ,
                close_fds=True,
            )
        except OSError as error:
            raise GateFailed(f"the decoder could not be started: {error}") from error
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:  # it died with something unread in the pipe
                        continue


class _Talk:
    """One conversation: an order, bytes as often as they are asked for, an answer."""

    def __init__(self, process: subprocess.Popen[bytes], serve: Serve, patience_s: float) -> None:
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101
        self._process, self._serve, self._left = process, serve, patience_s
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._ready = False

    def hold(self, order: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._send(json.dumps(order).encode() + b"\n")
            while True:
                what = self._receive(1)
                if what == READY:
                    self._receive(8)
                    self._ready = True
                elif what == WANT:
                    start, length = struct.unpack(">QI", self._receive(12))
                    body = self._serve(start, length)
                    self._send(struct.pack(">i", -1) if body is None else struct.pack(">i", len(body)) + body)
                elif what == ANSWER:
                    (length,) = struct.unpack(">I", self._receive(4))
                    return dict(json.loads(self._receive(length)))
                else:
                    raise GateFailed("the decoder spoke out of turn")
        except (BrokenPipeError, EOFError):
            raise self._died() from None

    def _send(self, body: bytes) -> None:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(self._to, rest) :]

    def _receive(self, length: int) -> bytes:
        body = b""
        while len(body) < length:
            began = time.monotonic()
            waiting = select.poll()
            waiting.register(self._from, select.POLLIN)
            if not waiting.poll(max(self._left, 0) * 1000):
                raise GateFailed("the decoder did not come to an end in its time")
            self._left -= time.monotonic() - began
            piece = os.read(self._from, length - len(body))
            if not piece:
                raise EOFError
            body += piece
        return body

    def _died(self) -> Exception:
        code = self._process.wait()
        if self._ready and -code == signal.SIGXCPU:
            return Rejected(f"it takes more than {CPU_S} seconds of a processor to look at its two ends")
        if self._ready and -code in _CRASHES:
            return Rejected("it makes the decoder crash, as it may a player")
        return GateFailed(f"the decoder ended with {code} before it had an answer")
