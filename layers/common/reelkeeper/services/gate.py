"""What becomes of a stored object once it was looked into: passed under the right type, moved to the front, or set aside."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Protocol

from reelkeeper.adapters.probe import GateFailed
from reelkeeper.domain.errors import Gone, Refused
from reelkeeper.domain.media import Claim, Rejected
from reelkeeper.domain.naming import content_type, served_name
from reelkeeper.domain.playing import Reach
from reelkeeper.metric import Metric
from reelkeeper.services.faststart import FastStart
from reelkeeper.services.media import Decoder, Inspection, inspect
from reelkeeper.telemetry import logger, record

# After so many tries in which our own means failed, a file passes unseen: better kept and said so than held back for ever.
TRIES_BEFORE_UNSEEN = 3
_COUNTED = {Reach.EVERYWHERE: "plays", Reach.SOME: "plays_in_some", Reach.NOWHERE: "will_not_play"}


class Store(Protocol):
    def read(self, key: str, start: int, length: int) -> bytes: ...
    def quarantine(self, key: str, *, reason: str) -> str: ...
    def describe(self, key: str, *, name: str, media_type: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Object:
    """One object of the bucket: its key, its bytes, and their CRC32 where it is known."""

    key: str
    size: int
    crc32: str | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """An object that may be published: which it is, its right name and type, in a few words how it plays, and what it is.

    `shown` is False for a thumbnail that is no picture: the job is not to suffer for it, and nobody is led to it.
    """

    object: Object
    name: str
    media_type: str
    verdict: str
    what: str
    shown: bool = True


class Gate:
    """The gate of one worker; `fast_start` is None where FastStart is off."""

    def __init__(self, bucket: Store, decoder: Decoder, *, fast_start: FastStart | None = None) -> None:
        self._bucket, self._decoder, self._fast_start = bucket, decoder, fast_start

    def admit(self, claim: Claim, stored: Object, *, attempts: int, left_s: Callable[[], float] = lambda: inf) -> Admitted:
        """The object as it may be published; raises Refused once it was set aside, RetryLater where nothing could be found out.

        `attempts` counts the tries so far; `left_s` tells how many seconds the worker has left.
        """
        try:
            found = inspect(claim, stored.size, partial(self._bucket.read, stored.key), decoder=self._decoder)
        except Rejected as error:
            return self._turn_away(claim, stored, error.reason)
        except GateFailed as error:
            if attempts < TRIES_BEFORE_UNSEEN:
                raise
            record(Metric.MEDIA_VERDICTS_TOTAL, verdict="unseen")
            logger.error("media passed unseen", key=stored.key, reason=error.reason)
            return Admitted(stored, claim.name, content_type(claim.name), "not looked into", f"not looked into: {error.reason}")
        return self._pass(claim, stored, found, left_s)

    def _pass(self, claim: Claim, stored: Object, found: Inspection, left_s: Callable[[], float]) -> Admitted:
        playing = found.verdict.playing
        record(Metric.MEDIA_VERDICTS_TOTAL, verdict=_COUNTED[playing.reach] if playing else "data")
        if self._fast_start is not None:
            moved = self._fast_start.move(claim, stored.key, stored.size, found, left_s=left_s)
            if moved is not None:
                stored, found = Object(moved.key, moved.size, moved.crc32), moved.found
                claim = replace(claim, name=served_name(claim.name, "mp4"))
        verdict = found.verdict
        name = claim.name
        if verdict.media_type != content_type(claim.name):
            # Named after `-f` alone: Matroska or sound alone under the name of an MP4 (measured, build 209).
            name = served_name(claim.name, verdict.extension)
            self._bucket.describe(stored.key, name=name, media_type=verdict.media_type)
        how = str(verdict.playing) if verdict.playing else verdict.what
        index = "; its index is at its end" if found.index_first is False else ""
        return Admitted(stored, name, verdict.media_type, how, f"{verdict.what}: {how}{index}" if verdict.playing else how)

    def _turn_away(self, claim: Claim, stored: Object, reason: str) -> Admitted:
        record(Metric.MEDIA_VERDICTS_TOTAL, verdict="rejected")
        logger.warning("media rejected", key=stored.key, reason=reason)
        if claim.thumbnail:
            return Admitted(stored, claim.name, content_type(claim.name), "not shown", f"not shown: {reason}", shown=False)
        # Gone: another worker was here first.
        with suppress(Gone):
            self._bucket.quarantine(stored.key, reason=reason)
        raise Refused(reason)
