"""A running stand-in, with everything a test or a person may look at and turn."""

from dataclasses import dataclass, field

from local.airtable.attachments import Ingest
from local.airtable.base import Base
from local.airtable.clock import MovableClock
from local.airtable.faults import Faults
from local.airtable.journal import Journal
from local.airtable.rate import Rate
from local.airtable.switches import Switches

TOKEN = "patLocal.local"
BASE_ID = "appReelkeeperDemo"


@dataclass(frozen=True, slots=True)
class Served:
    """`address` is `http://127.0.0.1:PORT`, what a client takes for https://api.airtable.com."""

    address: str
    base: Base
    clock: MovableClock
    rate: Rate
    ingest: Ingest
    switches: Switches
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    token: str = TOKEN
    base_id: str = BASE_ID

    def wait_ingested(self, timeout: float = 10) -> bool:
        """Whether every attachment written by now was fetched, or given up, within so many seconds."""
        return self.ingest.wait(timeout)
