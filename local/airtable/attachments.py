"""Attachments: fetched from their URLs by threads of their own, kept on disk, and given out again for two hours.

https://airtable.com/developers/web/api/field-model: Airtable "will download the file at the given url and keep its own
copy". A write almost never fails for it: whether the file came shows in a later read only.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from local.airtable.base import Base
from local.airtable.record import Attachment, Fetch, Record
from local.airtable.schema import Table
from local.airtable.switches import Switches

# By the API; a person may upload 5 GB.
MOST_BYTES = 1_000_000_000
MOST_REDIRECTS = 3
# "A URL failing repeatedly" is refused at once; how often is not documented.
FAILURES_UNTIL_REFUSED = 3
_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = (5, 10)
_THREADS = 4


class _NotFetched(Exception):
    """The URL gave no file that can be kept."""


@dataclass(frozen=True, slots=True)
class _Place:
    table_id: str
    record_id: str
    field_id: str


class Ingest:
    """Fetches what is attached to the base until `close`; `most_bytes` may be lowered, for no test to move a gigabyte."""

    def __init__(self, base: Base, *, folder: Path, switches: Switches) -> None:
        self.most_bytes = MOST_BYTES
        self._base = base
        self._folder = folder
        self._switches = switches
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="airtable-ingest")
        self._fetches: set[Future[None]] = set()
        self._closing = False
        self._going = threading.Event()
        self._going.set()

    def fetch(self, table_id: str, record_id: str, field_id: str, attachment: Attachment) -> None:
        """Start to fetch it, in the background."""
        place = _Place(table_id, record_id, field_id)
        with self._lock:
            self._fetches = {one for one in self._fetches if not one.done()}
            self._fetches.add(self._pool.submit(self._run, place, attachment))

    def wait(self, timeout_s: float) -> bool:
        """Whether everything attached by now was fetched, or given up, in this time."""
        with self._lock:
            fetches = set(self._fetches)
        return not wait(fetches, timeout_s).not_done

    @contextmanager
    def held(self) -> Iterator[None]:
        """Fetch nothing within this block, to look at what a cell shows right after the write."""
        self._going.clear()
        try:
            yield
        finally:
            self._going.set()

    def refused(self, table: Table, before: Record, after: Record) -> tuple[Record, list[str]]:
        """The record without the new attachments that are refused at once, and the reasons, as `details` has them."""
        reasons: list[str] = []
        cells = dict(after.cells)
        for field in table.fields:
            present = before.attachments(field.id)
            kept = []
            for one in after.attachments(field.id):
                reason = "" if one in present else self._refusal(one)
                if reason:
                    reasons.append(reason)
                else:
                    kept.append(one)
            if after.attachments(field.id):
                cells[field.id] = tuple(kept)
        filled = {name: cell for name, cell in cells.items() if cell != ()}
        return replace(after, cells=filled), list(dict.fromkeys(reasons))

    def keep(self, attachment: Attachment, content: bytes, kind: str) -> Attachment:
        """The attachment with a file that did not come from a URL, as `uploadAttachment` makes it."""
        path = self._folder / attachment.id
        path.write_bytes(content)
        return replace(attachment, state=Fetch.KEPT, size=len(content), type=kind, path=path)

    def close(self) -> None:
        """Start no more fetches; those under way end by themselves."""
        self._closing = True
        self._going.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _refusal(self, attachment: Attachment) -> str:
        if self._switches.attachment_rate_too_high:
            return "attachmentUploadRateIsTooHigh"
        with self._lock:
            failing = self._failures[attachment.source] >= FAILURES_UNTIL_REFUSED
        return "attachmentsFailedUploading" if failing else ""

    def _run(self, place: _Place, attachment: Attachment) -> None:
        self._going.wait()
        if self._closing:
            return
        try:
            fetched: Attachment | None = self._download(attachment)
        except (_NotFetched, requests.RequestException, OSError):
            with contextlib.suppress(FileNotFoundError):
                (self._folder / attachment.id).unlink()
            with self._lock:
                self._failures[attachment.source] += 1
            # As documented: cleared from the cell, or kept with a generated URL that gives errors.
            fetched = replace(attachment, state=Fetch.DEAD) if self._switches.dead_attachments else None
        self._base.fetched(place.table_id, place.record_id, place.field_id, fetched, of=attachment.id)

    def _download(self, attachment: Attachment) -> Attachment:
        path = self._folder / attachment.id
        with requests.Session() as session:
            session.max_redirects = MOST_REDIRECTS
            # Neither a proxy nor a password of this machine has to do with what Airtable reaches.
            session.trust_env = False
            with session.get(attachment.source, stream=True, timeout=_TIMEOUT_S) as response:
                if response.status_code != 200:
                    raise _NotFetched(f"the URL answered {response.status_code}")
                size = self._copy(response, path)
                # A login page is a file, too: Airtable keeps whatever a 200 brings.
                kind = response.headers.get("Content-Type", "application/octet-stream").partition(";")[0].strip()
        return replace(attachment, state=Fetch.KEPT, size=size, type=kind, path=path)

    def _copy(self, response: requests.Response, path: Path) -> int:
        size = 0
        with path.open("wb") as file:
            for chunk in response.iter_content(_CHUNK_BYTES):
                size += len(chunk)
                if size > self.most_bytes:
                    raise _NotFetched(f"more than {self.most_bytes} bytes")
                file.write(chunk)
        return size
