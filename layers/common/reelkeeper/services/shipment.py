"""One multipart upload, over as many runs as it takes: what the store has, what is missing, written down after each part."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeAlias

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.uploads import Part, Upload
from reelkeeper.adapters.verdicts import Conflict, Missing, Spoiled, Taken
from reelkeeper.domain import checkpoint as notes
from reelkeeper.domain.checkpoint import Saved
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.kept import Kept, Work
from reelkeeper.domain.parts import Span, crc32_whole, spans
from reelkeeper.services.putting import same, verified

Progress: TypeAlias = Callable[[int, int | None], None]


class Checkpoint(Protocol):
    """Where a copy keeps, as text, how far it came; a ledger's attribute, or a file beside a command."""

    def load(self) -> str | None: ...
    def save(self, text: str | None) -> None: ...


class Shipment:
    """An upload and the parts it has; `before` are the bytes of those that an earlier run sent."""

    def __init__(
        self,
        bucket: Bucket,
        upload: Upload,
        saved: Saved,
        parts: dict[int, Part],
        *,
        checkpoint: Checkpoint | None,
        told: Progress,
    ) -> None:
        self.upload = upload
        self.before = sum(part.size for part in parts.values())
        self._bucket = bucket
        self._saved = saved
        self._parts = parts
        self._checkpoint = checkpoint
        self._progress = told
        self._done = self.before
        self._lock = threading.Lock()
        self._writing = self._unwritten = False

    def missing(self) -> list[Span]:
        """The parts that are still to be sent, in order."""
        whole = spans(self._saved.size, self._saved.part_bytes)
        return [span for span in whole if span.number not in self._parts]

    @property
    def advanced(self) -> bool:
        """Whether this run has sent anything that a next one need not send again."""
        return self._checkpoint is not None and self._done > self.before

    def note(self, part: Part) -> None:
        """A part is in the store: write that down, together with what others have brought in meanwhile."""
        with self._lock:
            self._parts[part.number] = part
            self._done += part.size
            done, self._unwritten = self._done, True
            writes = self._checkpoint is not None and not self._writing
            self._writing = self._writing or writes
        self._progress(done, self._saved.size or None)
        if writes:
            self._write()

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._unwritten:
                    self._writing = False
                    return
                self._unwritten = False
                crc32 = {number: part.crc32 for number, part in self._parts.items() if part.crc32 is not None}
            _save(self._checkpoint, replace(self._saved, crc32=crc32))

    def complete(self, work: Work) -> Kept:
        """Make the parts one object and see that it is there; raises Conflict or Spoiled where it is worth to begin anew."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        crcs = [(part.crc32, part.size) for part in parts if part.crc32 is not None]
        crc32 = crc32_whole(crcs) if len(crcs) == len(parts) else None
        key, size = self.upload.key, sum(part.size for part in parts)
        try:
            self.upload.complete(parts, size=size, crc32=crc32)
        except (Taken, Missing) as error:
            # Missing: an answer was lost, boto3 asked again, and the upload was finished by then.
            self.abandon()
            if crc32 is None:
                raise Conflict(f"{key} was written by another meanwhile: {error}") from error
            return same(self._bucket, key, size, crc32)
        except (Conflict, Spoiled):
            self.abandon()
            raise
        return verified(self._bucket, key, size, crc32, work)

    def abandon(self) -> None:
        """Throw the parts away, and the note of them."""
        self.upload.abort()
        if self._checkpoint is not None:
            self._checkpoint.save(None)


def begin(bucket: Bucket, saved: Saved, *, name: str, checkpoint: Checkpoint | None = None, told: Progress) -> Shipment:
    """A new upload, noted before its first part; what others have left lying under this key is thrown away first."""
    # A store that does not list uploads, or not to us, throws them away by its own rule.
    with suppress(RetryLater):
        for old in bucket.abandoned(saved.key):
            old.abort()
    upload = bucket.begin(saved.key, name=name)
    saved = replace(saved, upload_id=upload.id, crc32={})
    _save(checkpoint, saved)
    return Shipment(bucket, upload, saved, {}, checkpoint=checkpoint, told=told)


def resume(bucket: Bucket, wanted: Saved, *, checkpoint: Checkpoint | None, told: Progress) -> Shipment | Kept | None:
    """The upload an earlier run began for the very same source; Kept where it was finished; None where there is none.

    The store's list of parts is what counts. A part is taken for sent where its checksum is known, from that list or from our
    note; what cannot be verified is sent again. `wanted.crc32` None: the store copies, and the checksums are its own affair.
    """
    saved = notes.read(checkpoint.load()) if checkpoint is not None else None
    if saved is None:
        return None
    upload = bucket.upload(saved.key, saved.upload_id)
    if (saved.key, saved.validator, saved.size) != (wanted.key, wanted.validator, wanted.size):
        upload.abort()
        return None
    whole = {span.number: span for span in spans(saved.size, saved.part_bytes)}
    listed = upload.parts()
    if listed is None:
        return _finished(bucket, saved, whole)
    parts = {}
    for number, part in listed.items():
        noted = saved.crc32.get(number)
        crc32 = noted if part.crc32 is None else part.crc32
        fits = number in whole and part.size == whole[number].length and noted in (None, crc32)
        if fits and (crc32 is not None or wanted.validator.startswith(BY_THE_STORE)):
            parts[number] = replace(part, crc32=crc32)
    return Shipment(bucket, upload, saved, parts, checkpoint=checkpoint, told=told)


# What the validator of a copy within the store begins with: nobody here has seen its bytes.
BY_THE_STORE = "store:"


def _finished(bucket: Bucket, saved: Saved, whole: dict[int, Span]) -> Kept | None:
    """The worker that had sent all parts was killed between completing the upload and the ledger."""
    if len(saved.crc32) != len(whole) or bucket.head(saved.key) is None:
        return None
    crc32 = crc32_whole((saved.crc32[number], whole[number].length) for number in sorted(whole))
    return same(bucket, saved.key, saved.size, crc32)


def _save(checkpoint: Checkpoint | None, saved: Saved) -> None:
    if checkpoint is not None:
        # A note that is not taken down costs a part that is read again, not the copy.
        with suppress(RetryLater):
            checkpoint.save(notes.write(saved))
