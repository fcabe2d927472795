"""A stand-in Airtable on this machine: the Web API as documented, its limits and its moods, for the demo and the tests.

with serve(clock=lambda: NOON) as airtable:
    job = airtable.base.create("Jobs", {"Status": "processing"})
    airtable.faults.add("error-after-saving", method="PATCH")
    ...  # a client at airtable.address, with airtable.token and airtable.base_id
    assert len(airtable.journal.writes("Jobs")) == 1
"""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from local.airtable.app import create_app
from local.airtable.attachments import Ingest
from local.airtable.base import Base
from local.airtable.clock import Clock, MovableClock, system
from local.airtable.engine import engine_base
from local.airtable.rate import Rate
from local.airtable.served import BASE_ID, TOKEN, Served
from local.airtable.switches import Switches

__all__ = ["BASE_ID", "TOKEN", "Base", "Served", "engine_base", "serve"]

_POLL_S = 0.02


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests, the journal does; and sends at once what is written in two pieces, head and body."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Not to the terminal."""


@contextmanager
def serve(
    port: int = 0, *, clock: Clock | None = None, base: Base | None = None, rate_limited: bool = True
) -> Iterator[Served]:
    """Serve on 127.0.0.1 for the length of the block; port 0 takes a free one, `base` is the engine's when not given."""
    with ExitStack() as everything:
        folder = everything.enter_context(tempfile.TemporaryDirectory(prefix="airtable-", ignore_cleanup_errors=True))
        # The app needs its own address for the links it gives out, so the port comes first.
        server = make_server("127.0.0.1", port, Flask("airtable"), threaded=True, request_handler=_Quiet)
        everything.callback(server.server_close)
        served = _served(
            f"http://127.0.0.1:{server.server_port}", base or engine_base(), clock or system, Path(folder), rate_limited
        )
        everything.callback(served.ingest.close)
        server.app = create_app(served)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="airtable", daemon=True)
        thread.start()
        everything.callback(thread.join)
        everything.callback(server.shutdown)
        # Connections that clients keep open outlive the server; nobody is to get an answer on them.
        everything.callback(setattr, served.faults, "down", True)
        yield served


def _served(address: str, base: Base, clock: Clock, folder: Path, rate_limited: bool) -> Served:
    movable, switches = MovableClock(clock), Switches()
    ingest = Ingest(base, folder=folder, switches=switches)
    base.connect(clock=movable, switches=switches, address=address, on_attach=ingest.fetch)
    return Served(address, base, movable, Rate(clock=movable, switches=switches, on=rate_limited), ingest, switches)
