"""Copy a URL into the bucket: the copies of one process, and the one call that everybody makes."""

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.source import Source
from reelkeeper.domain import checkpoint as notes
from reelkeeper.domain.callback import redact
from reelkeeper.domain.errors import RetryLater, Unfinished
from reelkeeper.domain.kept import Kept
from reelkeeper.domain.parts import MIB
from reelkeeper.services.passage import ANEW, Passage, Tools, Wish
from reelkeeper.services.putting import put
from reelkeeper.services.shipment import Checkpoint, Progress
from reelkeeper.services.traffic import TimeIsUp, Traffic


class Copier:
    """All copies of one process: they share the memory, the connections and the patience with each source's host.

    `memory` in bytes bounds what all copies together hold of the files they move, however large those are; `width` is how many
    connections one source's host gets. What lies in the store already is copied by it in one request up to `copied_whole`
    bytes; above in parts side by side, since the answer to one request would come too late.
    """

    def __init__(
        self,
        source: Source,
        bucket: Bucket,
        *,
        memory: int = 64 * MIB,
        width: int = 8,
        copied_whole: int = 1024 * MIB,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools = Tools(source, bucket, Traffic(memory=memory, width=width, clock=clock), memory, copied_whole)
        self._clock = clock

    def copy(
        self,
        url: str,
        key: str,
        *,
        name: str,
        confirmed: bool = False,
        checkpoint: Checkpoint | None = None,
        left_s: Callable[[], float] = lambda: inf,
        progress: Progress = lambda _done, _size: None,
    ) -> Kept:
        """Copy a URL to a key of the bucket and return what was kept.

        `name` decides the object's Content-Type and file name; `confirmed` says that NCA named this URL, or that an operator
        typed it. `left_s` tells the seconds that are left: before there are none the copy stops with Unfinished, to be called
        again. Without `checkpoint`, what is broken off starts anew; with it, the caller empties it once he has noted what was
        kept. `progress` hears (bytes in the bucket so far, size or None) from any thread. Raises RetryLater (Unfinished among
        them), Refused (Different among them) or Gone, naming the URL without its query, the key and the reason.
        """
        self._tools.source.check(url, confirmed=confirmed)
        wish = Wish(url, key, name, confirmed, checkpoint, left_s, progress)
        begun = self._clock()
        for restarted in (False, True):
            try:
                kept = Passage(self._tools, wish).run()
            except ANEW as error:
                # The source is another file by now, or the upload was taken from under us: what was sent is of no use.
                if restarted:
                    raise RetryLater(f"{error}; it was begun anew, and in vain: {redact(url)} to {key}") from error
            except TimeIsUp:
                raise Unfinished(f"no time was left to begin: {redact(url)} to {key}") from None
            else:
                return replace(kept, work=replace(kept.work, seconds=self._clock() - begun, restarted=restarted))
        raise AssertionError("the loop returns or raises")

    def keep(self, body: bytes, key: str, *, name: str) -> Kept:
        """Store a small body as it is, a transcript for one; raises Refused (Different among them)."""
        return put(self._tools.bucket, key, body, name=name)

    def forget(self, checkpoint: Checkpoint) -> None:
        """Throw away what an unfinished copy has left in the store; nothing happens where there is nothing."""
        saved = notes.read(checkpoint.load())
        if saved is not None:
            self._tools.bucket.upload(saved.key, saved.upload_id).abort()
            checkpoint.save(None)
