"""All of them together, as the workers get them."""

from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files

from reelkeeper.domain.mapping import Mapping as Mapping_
from reelkeeper.domain.mapping import read_mapping
from reelkeeper.services.gate import Gate
from reelkeeper.services.media import Decoder
from reelkeeper.services.outside import Outside
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import RecoverySettings
from tests.unit.fakes.airtable import FakeAirtable
from tests.unit.fakes.clock import Clock
from tests.unit.fakes.ledger import FakeLedger
from tests.unit.fakes.nca import FakeEngine, FakeNca, FakeNcaBucket
from tests.unit.fakes.notebook import FakeNotebook
from tests.unit.fakes.queue import FakeInbox, FakeQueue, FakeTopic
from tests.unit.fakes.source import FakeSource
from tests.unit.fakes.store import FakeBucket, FakeVersions, FakeViewer

MAPPING = read_mapping(files("reelkeeper").joinpath("mapping.toml").read_text("utf-8"))


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
