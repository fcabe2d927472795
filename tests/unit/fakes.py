"""The outside systems in memory and in virtual time: each is its adapter with the network taken out.

They inherit from the adapters, so that mypy holds every signature to the real one's and what an adapter composes of smaller
calls (`Ledger.change`) runs as it is. A fake fails when it is told to, with the errors that its adapter raises.
"""

import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import count

from reelkeeper.adapters.airtable import Airtable, Row, Written
from reelkeeper.adapters.bucket import Bucket, Stored
from reelkeeper.adapters.engine import Engine
from reelkeeper.adapters.inbox import Inbox, Waiting
from reelkeeper.adapters.ledger import Ledger, Outrun
from reelkeeper.adapters.ledger_items import from_item, to_item
from reelkeeper.adapters.nca import Listing, Nca, NotFound, Status
from reelkeeper.adapters.nca_bucket import NcaBucket
from reelkeeper.adapters.notebook import Notebook
from reelkeeper.adapters.queue import Letter, Queue
from reelkeeper.adapters.source import Facts, Source, Stream
from reelkeeper.adapters.topic import Topic
from reelkeeper.adapters.uploads import Upload
from reelkeeper.adapters.verdicts import Taken
from reelkeeper.adapters.versions import Versions
from reelkeeper.adapters.viewer import Seen, Viewer
from reelkeeper.domain.callback import Sender
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.evidence import Search
from reelkeeper.domain.fleet import Fleet
from reelkeeper.domain.incident import Incident, Kind, Pulse
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.mapping import Mapping as Mapping_
from reelkeeper.domain.mapping import read_mapping
from reelkeeper.domain.message import INBOX_PREFIX, Message, Pointer, encode, message_key
from reelkeeper.domain.moment import parse_moment
from reelkeeper.domain.naming import quarantine_key
from reelkeeper.domain.parts import crc32_text
from reelkeeper.domain.schema import Schema
from reelkeeper.domain.stores import Place
from reelkeeper.domain.timing import Durations, duration_step
from reelkeeper.services.batch import Delivery
from reelkeeper.services.gate import Gate
from reelkeeper.services.media import Decoder
from reelkeeper.services.outside import Outside
from reelkeeper.services.tally import tally
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import RecoverySettings
from tests.unit.builders import NOW

# The template's, for a message whose worker says nothing about it.
VISIBILITY = timedelta(seconds=5_400)
MAPPING = read_mapping(files("reelkeeper").joinpath("mapping.toml").read_text("utf-8"))


class Clock:
    """Virtual time: it stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


class FakeLedger(Ledger):
    """Jobs as items, written only by who has read the last version; `down` is what every call raises, if anything."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, object]] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}
        self.messages: dict[str, Message | Pointer] = {}
        self.references: dict[str, str] = {}
        self.checkpoints: dict[tuple[str, int], str] = {}
        self.saved: list[Job] = []
        self.down: Exception | None = None
        # Called with each job before it is written: where a test lets another worker come first.
        self.on_save: Callable[[Job], None] = lambda _: None
        self._lock = threading.Lock()

    def get(self, job_id: str) -> Job | None:
        self._answer()
        item = self.items.get(job_id)
        return from_item(item) if item is not None else None

    def waiting(self, *, until: datetime) -> Iterator[tuple[str, datetime]]:
        self._answer()
        yield from ((job.state, job.received_at) for job in self._due(until, kept=False))

    def due(self, *, now: datetime, limit: int, kept: bool = False) -> Iterator[Job]:
        self._answer()
        free = [job for job in self._due(now, kept=kept) if self.leases.get(job.job_id, ("", now))[1] <= now]
        yield from sorted(free, key=lambda job: job.due_at or now)[:limit]

    def _due(self, until: datetime, *, kept: bool) -> list[Job]:
        jobs = [from_item(item) for item in self.items.values()]
        due = [job for job in jobs if job.due_at is not None and job.due_at <= until]
        return [job for job in due if (job.state is JobState.KEPT) is kept]

    def save(self, job: Job) -> Job:
        self._answer()
        self.on_save(job)
        with self._lock:
            known = self.items.get(job.job_id)
            if (from_item(known).version if known else 0) != job.version:
                raise Outrun(job.job_id)
            saved = replace(job, version=job.version + 1)
            self.items[job.job_id] = to_item(saved)
            self.saved.append(saved)
        tally(from_item(known) if known else None, saved)
        return saved

    def put(self, job: Job) -> Job:
        """Arrange a job, whatever is there."""
        self.items[job.job_id] = to_item(job)
        return job

    def job(self, job_id: str) -> Job:
        """The job, which must be there, however down the ledger is."""
        return from_item(self.items[job_id])

    def lease(self, job_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        self._answer()
        with self._lock:
            other, ends = self.leases.get(job_id, (owner, now))
            if other != owner and ends >= now:
                return False
            self.leases[job_id] = owner, until
        return True

    def release(self, job_id: str, *, owner: str) -> None:
        self._answer()
        with self._lock:
            if self.leases.get(job_id, ("", NOW))[0] == owner:
                del self.leases[job_id]

    def keep_message(self, job_id: str, message: Message, *, elsewhere: Callable[[Message], str]) -> None:
        self._answer()
        self.messages[job_id] = message if len(message.body) < 150_000 else Pointer(elsewhere(message))

    def checkpoint(self, job_id: str, index: int) -> str | None:
        self._answer()
        return self.checkpoints.get((job_id, index))

    def save_checkpoint(self, job_id: str, index: int, text: str | None) -> None:
        self._answer()
        if text is None:
            self.checkpoints.pop((job_id, index), None)
        else:
            self.checkpoints[job_id, index] = text

    def message(self, job_id: str) -> Message | Pointer | None:
        self._answer()
        return self.messages.get(job_id)

    def known(self, job_ids: Iterable[str]) -> frozenset[str]:
        self._answer()
        return frozenset(job_id for job_id in job_ids if job_id in self.items)

    def refer(self, job: Job, references: Iterable[str]) -> None:
        self._answer()
        self.references.update(dict.fromkeys(references, job.job_id))

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


@dataclass(slots=True)
class _Waiting:
    """A message on the queue: when it is to be seen again, and how often it was seen."""

    text: str
    visible_at: datetime
    receives: int = 0


class FakeQueue(Queue):
    """SQS in virtual time; `hidden` is every wish for a delay, `buried` the dead letters with their reasons."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.waiting: dict[str, _Waiting] = {}
        self.hidden: list[tuple[str, timedelta]] = []
        self.buried: list[tuple[str, str]] = []
        self.letters: dict[str, Letter] = {}
        self.down: RetryLater | None = None
        self._sent = 0

    def send(self, text: str, *, delay: timedelta = timedelta(), trace: str | None = None) -> str:
        self._answer()
        self._sent += 1
        message_id = f"message-{self._sent}"
        self.waiting[message_id] = _Waiting(text, self._clock() + delay)
        return message_id

    def send_all(self, texts: Sequence[str]) -> tuple[int, ...]:
        if self.down is not None:
            return tuple(range(len(texts)))
        for text in texts:
            self.send(text)
        return ()

    def bury(self, text: str, *, reason: str) -> None:
        self._answer()
        self.buried.append((text, reason))
        self._sent += 1
        letter = Letter(f"letter-{self._sent}", f"letter-{self._sent}", text, self._clock(), reason)
        self.letters[letter.message_id] = letter

    def take(self, *, limit: int, hidden: timedelta) -> Iterator[Letter]:
        self._answer()
        yield from list(self.letters.values())[:limit]

    def put_back(self, letters: Iterable[Letter]) -> None:
        self._answer()

    def hide(self, receipt: str, *, delay: timedelta) -> None:
        self._answer()
        self.hidden.append((receipt, delay))
        if receipt in self.waiting:
            self.waiting[receipt].visible_at = self._clock() + delay

    def receive(self, most: int = 10) -> list[Delivery]:
        """Up to ten of the messages that may be seen, as the event source delivers them."""
        seen = [(name, one) for name, one in self.waiting.items() if one.visible_at <= self._clock()][:most]
        for _, one in seen:
            one.receives += 1
            one.visible_at = self._clock() + VISIBILITY
        return [Delivery(name, name, one.text, one.receives) for name, one in seen]

    def delete(self, receipt: str) -> None:
        self.waiting.pop(receipt, None)

    def discard(self, letter: Letter) -> None:
        self._answer()
        del self.letters[letter.message_id]

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeInbox(Inbox):
    """Messages by key."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.messages: dict[str, Message] = {}
        self.since: dict[str, datetime] = {}
        self.down: RetryLater | None = None

    def put(self, message: Message, prefix: str = INBOX_PREFIX) -> str:
        self._answer()
        key = message_key(message, prefix)
        self.messages[key] = message
        self.since[key] = self._clock()
        return key

    def get(self, key: str) -> Message:
        self._answer()
        if key not in self.messages:
            raise Gone(f"nothing lies in the inbox under {key}")
        return self.messages[key]

    def waiting(self) -> Iterator[Waiting]:
        self._answer()
        for key in sorted(self.messages):
            if key.startswith(INBOX_PREFIX):
                yield Waiting(key, len(encode(self.messages[key])), self.since[key])

    def delete(self, key: str) -> None:
        self._answer()
        self.messages.pop(key, None)

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeUpload(Upload):
    """An upload that somebody has left."""

    def __init__(self, bucket: "FakeBucket", key: str, upload_id: str) -> None:
        self.id, self.key = upload_id, key
        self._bucket = bucket

    def abort(self) -> None:
        self._bucket.aborted.append((self.key, self.id))


class FakeBucket(Bucket):
    """Objects by key, never overwritten; `puts` counts how often each was sent, `reasons` say why one was set aside."""

    refused = False

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.described: dict[str, tuple[str, str]] = {}
        self.objects: dict[str, bytes] = {}
        self.puts: dict[str, int] = defaultdict(int)
        self.aborted: list[tuple[str, str]] = []
        self.down: RetryLater | None = None

    def head(self, key: str) -> Stored | None:
        self._answer()
        body = self.objects.get(key)
        return Stored(len(body), crc32_text(zlib.crc32(body))) if body is not None else None

    def put(self, key: str, body: bytes | bytearray, *, name: str, crc32: str) -> None:
        self._answer()
        self.puts[key] += 1
        if key in self.objects:
            raise Taken
        assert crc32 == crc32_text(zlib.crc32(body))
        self.objects[key] = bytes(body)

    def upload(self, key: str, upload_id: str) -> Upload:
        return FakeUpload(self, key, upload_id)

    def neighbour(self, url: str) -> Place | None:
        return None

    def crc32(self, key: str) -> int:
        self._answer()
        return zlib.crc32(self.objects[key])

    def read(self, key: str, start: int, length: int) -> bytes:
        self._answer()
        if key not in self.objects:
            raise Gone(f"there is no object under {key}")
        return self.objects[key][start : start + length]

    def quarantine(self, key: str, *, reason: str) -> str:
        self._answer()
        if key not in self.objects:
            raise Gone(f"there is no object under {key}")
        self.objects[quarantine_key(key)] = self.objects.pop(key)
        self.reasons[quarantine_key(key)] = reason
        return quarantine_key(key)

    def describe(self, key: str, *, name: str, media_type: str) -> None:
        self._answer()
        self.described[key] = (name, media_type)

    def address(self, key: str) -> str:
        return f"https://kept.example.net/{key}"

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeStream(Stream):
    """Bytes that come as they are asked for."""

    def __init__(self, url: str, body: bytes) -> None:
        self.facts = Facts(url, len(body), None, ranged=False)
        self._left = body

    def take(self, length: int) -> Iterator[memoryview]:
        taken, self._left = self._left[:length], self._left[length:]
        yield memoryview(taken)


class FakeSource(Source):
    """What each URL gives: bytes, or the error it raises; `reads` are the URLs that were opened, in order."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | Exception] = {}
        self.reads: list[str] = []
        # Called while a source is open: where a test lets something happen during a copy.
        self.on_read: Callable[[str], None] = lambda _: None

    def check(self, url: str, *, confirmed: bool = False) -> None:
        """Every URL may be read here; the guard has tests of its own."""

    @contextmanager
    def open(self, url: str, *, confirmed: bool = False) -> Iterator[Stream]:
        self.reads.append(url)
        found = self.files.get(url, Gone(f"the source answers 404: {url}"))
        if isinstance(found, Exception):
            raise found
        self.on_read(url)
        yield FakeStream(url, found)


class FakeAirtable(Airtable):
    """Tables of rows; `down` is what every call raises, `refuses` what a write of one row raises, if anything."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
        self.writes: list[tuple[str, tuple[Row, ...]]] = []
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        self.down: Exception | None = None
        self.refuses: Callable[[str, Row], Exception | None] = lambda _table, _row: None
        # What a write of 200 says in `details`, and whether it left new attachments out.
        self.reasons: tuple[str, ...] = ()
        self.leaves_out = False
        self._ids = count(1)

    def rows(self, table: str, record_ids: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        self._answer(table, record_ids)
        there = self.tables[table]
        return {one: self._shown(one, there[one], fields or tuple(there[one])) for one in record_ids if one in there}

    def rows_with(self, table: str, field: str, values: Sequence[str], *, fields: Sequence[str]) -> dict[str, Row]:
        self._answer(table, values)
        found = [(record_id, row) for record_id, row in reversed(self.tables[table].items()) if row.get(field) in values]
        return {str(row[field]): self._shown(record_id, row, fields) for record_id, row in found}

    def pages(self, table: str, *, fields: Sequence[str], formula: str = "") -> Iterator[list[Row]]:
        """All rows, or those that are open and old enough by the formula's own cut-off, a hundred at a time."""
        self._answer(table, ("pages",))
        if not formula:
            yield [self._shown(record_id, row, fields or tuple(row)) for record_id, row in self.tables[table].items()]
            return
        cutoff = parse_moment(formula.partition("DATETIME_PARSE('")[2].partition("'")[0])
        rows = [
            Row(record_id, {name: row[name] for name in fields if row.get(name) not in ("", [], None)}, str(row["created_at"]))
            for record_id, row in self.tables[table].items()
            if f"='{row.get('Status')}'" in formula and parse_moment(str(row["created_at"])) < cutoff
        ]
        for start in range(0, max(len(rows), 1), 100):
            yield rows[start : start + 100]

    def write(self, table: str, rows: Sequence[Row]) -> Written:
        if self.down is not None:
            raise self.down
        self.writes.append((table, tuple(rows)))
        for row in rows:
            if (error := self.refuses(table, row)) is not None:
                raise error
            if row.record_id not in self.tables[table]:
                raise Gone(f"Airtable, table {table!r}: 422 ROW_DOES_NOT_EXIST")
        for row in rows:
            there = self.tables[table][row.record_id]
            there.update({name: self._taken(value, there.get(name)) for name, value in row.fields.items()})
        now = {row.record_id: self.tables[table][row.record_id] for row in rows}
        return Written({one: self._shown(one, row, tuple(row)) for one, row in now.items()}, self.reasons)

    def schema(self) -> Schema:
        raise Refused("Airtable: 403; give the token schema.bases:read")

    def _taken(self, value: object, before: object) -> object:
        """A cell as Airtable keeps it: it mints an id for each attachment that comes by its URL."""
        if not isinstance(value, list):
            return value
        known = {one["id"]: one for one in before if "id" in one} if isinstance(before, list) else {}
        return [self._attachment(one, known) for one in value if not (self.leaves_out and "url" in one)]

    def _attachment(self, one: object, known: Mapping[str, object]) -> object:
        if not isinstance(one, dict):
            return one
        return {"id": f"att{next(self._ids)}", **one} if "url" in one else known.get(one["id"], one)

    def fetch(self, table: str, record_id: str, field: str, **changes: object) -> None:
        """Airtable has fetched what is in the cell: size and type are there, as `changes` say."""
        cell = self.tables[table][record_id][field]
        assert isinstance(cell, list)
        self.tables[table][record_id][field] = [{**one, "type": "video/mp4", **changes} for one in cell]

    def _shown(self, record_id: str, row: Mapping[str, object], fields: Sequence[str]) -> Row:
        return Row(record_id, {name: value for name, value in row.items() if name in fields and value not in ("", [], None)})

    def _answer(self, table: str, asked: Sequence[str]) -> None:
        if self.down is not None:
            raise self.down
        self.reads.append((table, tuple(asked)))


class FakeViewer(Viewer):
    """What anybody sees at an address: the bucket's object, unless a test puts something else there."""

    def __init__(self, bucket: FakeBucket) -> None:
        self._bucket = bucket
        self.instead: dict[str, Seen | Exception] = {}
        self.looked: list[str] = []

    def look(self, url: str) -> Seen:
        self.looked.append(url)
        found = self.instead.get(url)
        if isinstance(found, Exception):
            raise found
        body = self._bucket.objects.get(url.removeprefix("https://kept.example.net/"))
        if found is not None:
            return found
        return Seen(200, "video/mp4", len(body), gives_ranges=True) if body is not None else Seen(404, "text/html", 9, False)


class FakeVersions(Versions):
    """Earlier versions by key; bringing one back puts it into the bucket."""

    def __init__(self, bucket: FakeBucket) -> None:
        self._bucket = bucket
        self.earlier: dict[str, bytes] = {}

    def bring_back(self, key: str, *, size: int, crc32: str | None) -> str | None:
        body = self.earlier.get(key)
        if body is None or len(body) != size or crc32 != crc32_text(zlib.crc32(body)):
            return None
        self._bucket.objects[key] = body
        return "version-1"


class FakeTopic(Topic):
    """What people are told, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.down: RetryLater | None = None

    def say(self, subject: str, text: str) -> None:
        if self.down is not None:
            raise self.down
        self.said.append((subject, text))


class FakeNca(Nca):
    """NCA's status routes: `reports` are the callbacks of jobs that are done, `running` the jobs that are not.

    `states` says more than "running" of a job, `owners` in which worker it is, `worker` which one answers. What is in none of
    them is not known to it. `answers` are errors that single jobs' calls raise; `hangs` those on which it waits for `woken`.
    """

    def __init__(self) -> None:
        self.reports: dict[str, bytes] = {}
        self.running: set[str] = set()
        self.states: dict[str, str] = {}
        self.owners: dict[str, Sender] = {}
        self.worker = Sender("1", "1")
        self.answers: dict[str, Exception] = {}
        self.hangs: set[str] = set()
        self.woken = threading.Event()
        self.down: RetryLater | Refused | None = None
        self.bulk: RetryLater | Refused | None = None
        self.asked: list[str] = []
        self.windows: list[timedelta] = []
        self.submitted: list[tuple[str, Mapping[str, object]]] = []

    def status(self, job_id: str) -> Status:
        self.asked.append(job_id)
        if self.down is not None:
            raise self.down
        if job_id in self.hangs:
            self.woken.wait()
        if job_id in self.answers:
            raise self.answers[job_id]
        owner = self.owners.get(job_id, self.worker)
        if job_id in self.reports:
            return Status(job_id, "done", owner, self.reports[job_id], self.worker)
        if job_id in self.running:
            return Status(job_id, self.states.get(job_id, "running"), owner, None, self.worker)
        raise NotFound("NCA does not know this job", answered_by=self.worker)

    def statuses(self, *, since: timedelta) -> Listing:
        self.windows.append(since)
        for error in (self.down, self.bulk):
            if error is not None:
                raise error
        running = {job_id: self.states.get(job_id, "running") for job_id in self.running}
        return Listing(dict.fromkeys(self.reports, "done") | running, self.worker)

    def submit(self, path: str, payload: Mapping[str, object]) -> str:
        if self.down is not None:
            raise self.down
        self.submitted.append((path, payload))
        new_id = f"new-{len(self.submitted)}"
        self.running.add(new_id)
        return new_id


class FakeNcaBucket(NcaBucket):
    """NCA's bucket: what each job has there; `whole` False is a bucket that cannot be listed."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, ...]] = {}
        self.whole = True
        self.settled = True
        self.down: RetryLater | None = None
        self.searched: list[str] = []

    def search(self, job_id: str, *, at: datetime) -> Search:
        self.searched.append(job_id)
        if self.down is not None:
            raise self.down
        return Search(self.found.get(job_id, ()), whole=self.whole, settled=self.settled)


class FakeEngine(Engine):
    """What the engine was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self.down: RetryLater | Refused | None = None

    def ask(self, path: str, body: Mapping[str, object]) -> None:
        if self.down is not None:
            raise self.down
        self.asked.append((path, body))


class FakeNotebook(Notebook):
    """The notes in memory."""

    def __init__(self) -> None:
        self.sweeper: tuple[str, datetime] | None = None
        self.known_fleet = Fleet()
        self.steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.pulse = Pulse(None, None)
        self.counts: dict[str, int] = defaultdict(int)
        self.incidents: dict[Kind, Incident] = {}
        self._lock = threading.Lock()

    def begin_sweep(self, *, owner: str, now: datetime, until: datetime) -> bool:
        if self.sweeper is not None and self.sweeper[0] != owner and self.sweeper[1] >= now:
            return False
        self.sweeper = owner, until
        return True

    def end_sweep(self, *, owner: str) -> None:
        if self.sweeper is not None and self.sweeper[0] == owner:
            self.sweeper = None

    def fleet(self) -> Fleet:
        return self.known_fleet

    def keep_fleet(self, fleet: Fleet) -> None:
        self.known_fleet = fleet

    def observe(self, operation: str, took_s: float) -> None:
        with self._lock:
            self.steps[operation][duration_step(took_s)] += 1

    def durations(self, operations: Iterable[str]) -> dict[str, Durations]:
        return {operation: Durations(dict(self.steps[operation])) for operation in operations}

    def heard(self, at: datetime) -> None:
        self.pulse = Pulse(at, None)

    def found(self, at: datetime) -> Pulse:
        self.pulse = Pulse(self.pulse.webhook_at, self.pulse.found_since or at)
        return self.pulse

    def count(self, what: str, *, limit: int, until: datetime) -> int | None:
        with self._lock:
            if self.counts[what] >= limit:
                return None
            self.counts[what] += 1
            return self.counts[what]

    def counted(self, what: str) -> int:
        return self.counts[what]

    def incident(self, kind: Kind) -> Incident | None:
        return self.incidents.get(kind)

    def open_incident(self, kind: Kind, *, what: str, at: datetime) -> bool:
        known = self.incidents.get(kind)
        if known is None or known.ended_at is not None:
            self.incidents[kind] = Incident(kind, at, what, at)
            return True
        self.incidents[kind] = replace(known, seen_at=at)
        return False

    def end_incident(self, kind: Kind, *, at: datetime) -> bool:
        known = self.incidents.get(kind)
        if known is None or known.ended_at is not None:
            return False
        self.incidents[kind] = replace(known, ended_at=at)
        return True


@dataclass(frozen=True, slots=True)
class Fakes:
    """All of them, with one clock."""

    clock: Clock = field(default_factory=Clock)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    bucket: FakeBucket = field(default_factory=FakeBucket)
    source: FakeSource = field(default_factory=FakeSource)
    airtable: FakeAirtable = field(default_factory=FakeAirtable)
    nca: FakeNca = field(default_factory=FakeNca)
    nca_bucket: FakeNcaBucket = field(default_factory=FakeNcaBucket)
    topic: FakeTopic = field(default_factory=FakeTopic)
    engine: FakeEngine = field(default_factory=FakeEngine)
    notebook: FakeNotebook = field(default_factory=FakeNotebook)
    # What the media gate sees in files; None: there is no gate.
    decoder: Decoder | None = None
    queue: FakeQueue = field(init=False)
    dead_letters: FakeQueue = field(init=False)
    inbox: FakeInbox = field(init=False)
    viewer: FakeViewer = field(init=False)
    versions: FakeVersions = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "queue", FakeQueue(self.clock))
        object.__setattr__(self, "dead_letters", FakeQueue(self.clock))
        object.__setattr__(self, "inbox", FakeInbox(self.clock))
        object.__setattr__(self, "viewer", FakeViewer(self.bucket))
        object.__setattr__(self, "versions", FakeVersions(self.bucket))

    def outside(self, *, mapping: Mapping_ = MAPPING, nca_workers: int = 1) -> Outside:
        return Outside(
            queue=self.queue,
            dead_letters=self.dead_letters,
            inbox=self.inbox,
            ledger=self.ledger,
            bucket=self.bucket,
            source=self.source,
            copier=Copier(self.source, self.bucket),
            airtable=self.airtable,
            nca=self.nca,
            mapping=mapping,
            versions=self.versions,
            viewer=self.viewer,
            topic=self.topic,
            notebook=self.notebook,
            nca_bucket=self.nca_bucket,
            engine=self.engine,
            recovery=RecoverySettings(nca_workers, "http://engine", timedelta(hours=1)),
            gate=Gate(self.bucket, self.decoder) if self.decoder else None,
        )
