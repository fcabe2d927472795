"""The stand-in NCA: the toolkit's API, its one worker, its real media work, and every way it fails.

    with serve() as nca:
        film = nca.put_input("film.mp4", content)
        nca.switches.on(Fault.NO_CALLBACK, times=1)
        requests.post(f"{nca.address}/v1/video/concatenate", headers={"x-api-key": nca.api_key}, json={…})

`python -m local.nca` runs it on its own.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from local import ports
from local.nca.app import Behind, make
from local.nca.callbacks import Callbacks
from local.nca.storage import BUCKET, LIST_KEY, Storage
from local.nca.switches import Fault, Switchboard
from local.nca.toolkit import Toolkit
from local.web import serving

__all__ = ["LIST_KEY", "Fault", "Nca", "serve"]

API_KEY = "nca-local-key"


@dataclass(frozen=True, slots=True)
class Nca:
    """A running stand-in; `calls` are the API calls it got, as (path, payload)."""

    address: str
    api_key: str
    toolkit: Toolkit
    storage: Storage
    switches: Switchboard
    callbacks: Callbacks
    calls: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def bucket_url(self) -> str:
        """The bucket's address, as NcaBucketUrl wants it; who signs with `LIST_KEY` may list it."""
        return f"{self.address}/storage/{BUCKET}"

    @property
    def host(self) -> str:
        """`host:port`, as SourceLocalHosts wants it."""
        return self.address.removeprefix("http://")

    def put_input(self, name: str, content: bytes) -> str:
        """Put a file where the toolkit can download it; returns its address."""
        return self.storage.put_bytes(f"inputs/{name}", content)

    def put_output(self, name: str, content: bytes) -> str:
        """Put a file where a job's outputs lie; returns its address."""
        return self.storage.put_bytes(name, content)

    def submit(self, path: str, payload: dict[str, Any]) -> requests.Response:
        """Call an endpoint as the engine does."""
        return requests.post(f"{self.address}{path}", headers={"x-api-key": self.api_key}, json=payload, timeout=60)


@contextmanager
def serve(port: int = 0, *, clock: Callable[[], float] = time.time, longest_queue: int | None = None) -> Iterator[Nca]:
    """Run the stand-in on 127.0.0.1 for as long as the block lasts; `clock` (seconds) is what its bucket's times go by."""
    port = port or ports.choose(0, "NCA")
    address = f"http://127.0.0.1:{port}"
    switches = Switchboard()
    with tempfile.TemporaryDirectory(prefix="nca-bucket-") as folder:
        storage = Storage(Path(folder), f"{address}/storage", clock)
        callbacks = Callbacks(switches)
        toolkit = Toolkit(storage=storage, switches=switches, callbacks=callbacks, clock=clock, longest_queue=longest_queue)
        nca = Nca(address, API_KEY, toolkit, storage, switches, callbacks)
        app = make(Behind(toolkit, storage, switches, API_KEY, seen=lambda path, body: nca.calls.append((path, body))))
        try:
            with serving(app, port):
                yield nca
        finally:
            callbacks.cancel()
            toolkit.close()
