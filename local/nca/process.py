"""One process of the toolkit: its queue in memory, its one worker thread, and both gone when it is killed."""

import queue
import random
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Process(Generic[T]):
    """A pid, a queue id and the thread that works on what is queued, one piece at a time."""

    def __init__(self, work: Callable[["Process[T]", T], None]) -> None:
        self.pid = random.randrange(1_000, 60_000)
        self.queue_id = random.randrange(139_000_000_000_000, 141_000_000_000_000)
        self._work = work
        self._queue: queue.Queue[T | None] = queue.Queue()
        self._killed = threading.Event()
        self._died = threading.Event()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"nca-{self.pid}", daemon=True)
        self._thread.start()

    @property
    def killed(self) -> bool:
        """Whether SIGKILL has come: nothing it was doing may have any effect any more."""
        return self._killed.is_set()

    @property
    def length(self) -> int:
        """What waits; the job that runs is not counted, as in the toolkit."""
        return self._queue.qsize()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing that waits will ever run."""
        return self._died.is_set() or self.killed or (self._queue.unfinished_tasks == 0)

    def put(self, piece: T) -> None:
        self._queue.put(piece)

    def kill(self) -> None:
        """End at once: what waits and what runs is lost."""
        self._killed.set()
        self._queue.put(None)

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self.killed:
            piece = self._queue.get()
            if piece is None:
                return
            try:
                self._work(self, piece)
            except Exception:  # noqa: BLE001 - as in the toolkit: an exception outside the job ends the only thread
                self._died.set()
                return
            finally:
                self._queue.task_done()
