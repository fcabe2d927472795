"""The proof that a copy survives anything: its worker is killed at random moments, and the next one goes on.

`python -m tests.integration.killing` (make prove-kills) kills 200 workers of one copy of 1 GiB; the suite a few of a smaller.
Real are the engine, the ledger's adapter (on moto), the store (SeaweedFS), the kills (SIGKILL) and the count of what was read.
"""

import argparse
import hashlib
import json
import logging
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from local import process, seaweedfs
from local.seaweedfs import REGION, Store
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.domain import checkpoint as notes
from reelkeeper.domain.job import JobState
from reelkeeper.domain.parts import SMALLEST_PART
from tests.integration import counted
from tests.unit.builders import JOB_ID, a_job
from tests.unit.cloudformation import resource

ROOT = Path(__file__).parents[2]
MIB = 2**20
KEY = "film.mp4"
TABLE = "ledger"
WIDTH = 8
PARTS_A_LIFE = 3
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Toll:
    """What the kills cost: `given` bytes left the source for a file of `size`.

    `identical` says that the object is the file, `left` how many unfinished uploads lie in the store.
    """

    kills: int
    size: int
    given: int
    part_bytes: int
    identical: bool
    left: int
    seconds: float

    @property
    def again(self) -> int:
        """Bytes that were read more than once, counted at the source: those in sockets of the dead among them."""
        return self.given - self.size

    @property
    def most(self) -> int:
        """More than this could not be lost: with each kill, all parts in flight."""
        return self.kills * (WIDTH * self.part_bytes + counted.ON_THE_WAY)

    def __str__(self) -> str:
        whole = "byte for byte the source" if self.identical else "NOT the source"
        return (
            f"{self.kills} kills in one copy of {self.size / MIB:,.0f} MiB ({self.seconds:.0f} s): {whole}; "
            f"{self.again / MIB:,.0f} MiB read again, {self.again / MIB / max(self.kills, 1):.1f} MiB a kill "
            f"(in flight are {WIDTH} parts of {self.part_bytes / MIB:.0f} MiB at most); "
            f"{self.left} unfinished uploads left"
        )


def prove(store: Store, folder: Path, *, mib: int, kills: int, seed: int, report: Report = print) -> Toll:
    """Copy `mib` of random bytes, killing the worker `kills` times at random; returns what that cost."""
    chance = random.Random(seed)
    file = folder / KEY
    with file.open("wb") as film:
        for _ in range(mib):
            film.write(chance.randbytes(MIB))
    bucket = f"killing-{seed}"
    store.make_bucket(bucket)
    begun, size = time.monotonic(), file.stat().st_size
    with (
        _ledger() as found,
        counted.serve(file, chance=chance, mib_a_second=(8, 80)) as source,
        _workers(store, bucket, found, source.address, folder, size) as workers,
    ):
        done = _kill(workers, store, bucket, kills=kills, size=size, chance=chance, report=report)
        part_bytes = workers.part_bytes
        while (how := workers.live(None)) != "done":
            assert how == "again", f"the last worker {how}; {folder / 'workers.log'} says why"
    client = store.client()
    return Toll(
        kills=done,
        size=size,
        given=source.given,
        part_bytes=part_bytes,
        identical=_digest(client, bucket) == hashlib.sha256(file.read_bytes()).hexdigest(),
        left=len(client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])),
        seconds=time.monotonic() - begun,
    )


def _kill(
    workers: "Workers", store: Store, bucket: str, *, kills: int, size: int, chance: random.Random, report: Report
) -> int:
    """Kill that often, at moments drawn anew each time, so that the copy comes on with the kills; returns how often."""
    client, done = store.client(), 0
    while done < kills:
        # A worker that gets to a part brings home some three, side by side; the others die before, so that parts last for all.
        lively = workers.missing > WIDTH and chance.random() < workers.missing / (kills - done) / PARTS_A_LIFE
        dies = Death(chance.randint(1, PARTS_A_LIFE) if lively else 0, chance.uniform(0, 0.1 if lively else workers.first_s))
        how = workers.live(dies)
        if how == "done":
            # It was quicker than its end: the copy is whole, and there is nothing left to kill.
            break
        assert how == "killed", f"a worker {how}"
        done += 1
        seen = _visible(client, bucket)
        assert seen in (None, size), f"half a file is visible: {seen} of {size} bytes"
        if done % max(kills // 10, 1) == 0:
            report(f"{done} kills, {workers.missing} parts to go")
    return done


@dataclass(frozen=True, slots=True)
class Death:
    """When a worker dies: so many seconds after it has noted so many parts (0: after it was born)."""

    parts: int
    after_s: float


class Workers:
    """The process that forks workers; `live` lets one live until its death, or to the end.

    `missing` are the parts that are not noted in the ledger, `first_s` is how long the quickest worker took to its first part.
    """

    def __init__(self, child: subprocess.Popen[bytes], url: str, ledger: Ledger, size: int) -> None:
        self._child = child
        self._url = url
        self._ledger = ledger
        self._size = size
        self._said = b""
        self.first_s = 1.0

    @property
    def part_bytes(self) -> int:
        saved = notes.read(self._ledger.checkpoint(JOB_ID, 0))
        return saved.part_bytes if saved else SMALLEST_PART

    @property
    def missing(self) -> int:
        saved = notes.read(self._ledger.checkpoint(JOB_ID, 0))
        return -(-self._size // self.part_bytes) - (len(saved.crc32) if saved else 0)

    def live(self, death: Death | None) -> str:
        """How a worker ended: `killed`, `done`, `again` or `failed`."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"url": self._url, "key": KEY}).encode() + b"\n")
        self._child.stdin.flush()
        pid, begun, parts = int(self._line(None) or 0), time.monotonic(), 0
        dies_at = begun + death.after_s if death and death.parts == 0 else None
        while True:
            word = self._line(dies_at)
            if word is None:
                # It may have been done just now.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                dies_at = None
            elif word == "part":
                parts += 1
                if parts == 1:
                    self.first_s = min(self.first_s, time.monotonic() - begun)
                if death and parts == death.parts:
                    dies_at = time.monotonic() + death.after_s
            else:
                return word

    def _line(self, until: float | None) -> str | None:
        """What is said next; None where it is not said in time."""
        assert self._child.stdout is not None
        while b"\n" not in self._said:
            wait_s = None if until is None else max(until - time.monotonic(), 0.0)
            if not select.select([self._child.stdout], [], [], wait_s)[0]:
                return None
            piece = os.read(self._child.stdout.fileno(), 4096)
            if not piece:
                raise RuntimeError("the workers' process has ended; workers.log says why")
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()


@contextmanager
def _workers(store: Store, bucket: str, found: "Found", url: str, folder: Path, size: int) -> Iterator[Workers]:
    environ = {
        "PATH": os.defpath,
        "AWS_ENDPOINT_URL_DYNAMODB": found.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "TABLE": TABLE,
        "JOB_ID": JOB_ID,
        "BUCKET": bucket,
        "STORAGE_ENDPOINT": store.endpoint,
        "STORAGE_ADDRESSING": "path",
        "STORAGE_ACCESS_KEY": store.access_key,
        "STORAGE_SECRET_KEY": store.secret_key,
        "PUBLIC_URL_TEMPLATE": f"{store.endpoint}/{bucket}/{{key}}",
        "SOURCE_LOCAL_HOSTS": url.split("/")[2],
    }
    with ExitStack() as ending:
        log = ending.enter_context((folder / "workers.log").open("ab"))
        child = subprocess.Popen(
            process.tied([sys.executable, "-m", "tests.integration.mortal"]),
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        ending.callback(process.end, child)
        yield Workers(child, url, found.ledger, size)


@dataclass(frozen=True, slots=True)
class Found:
    """The ledger, and where other processes find it."""

    ledger: Ledger
    endpoint: str


@contextmanager
def _ledger() -> Iterator[Found]:
    """A ledger that other processes reach, with one job in it."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        session = boto3.Session("testing", "testing", region_name=REGION)
        client: Any = session.client("dynamodb", endpoint_url=endpoint)
        declared = resource("Ledger")
        names = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
        client.create_table(TableName=TABLE, **{name: declared[name] for name in names})
        ledger = Ledger(client, TABLE)
        ledger.save(a_job(JobState.FINISHED, version=0))
        yield Found(ledger, endpoint)
    finally:
        server.stop()


def _visible(client: Any, bucket: str) -> int | None:
    found = client.list_objects_v2(Bucket=bucket, Prefix=KEY).get("Contents", [])
    return next((int(one["Size"]) for one in found if one["Key"] == KEY), None)


def _digest(client: Any, bucket: str) -> str:
    digest = hashlib.sha256()
    for chunk in client.get_object(Bucket=bucket, Key=KEY)["Body"].iter_chunks(MIB):
        digest.update(chunk)
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.killing", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (%(default)s)")
    parser.add_argument("--kills", type=int, default=200, help="how many workers die (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="to repeat a run")
    arguments = parser.parse_args()
    # moto's server tells of each request.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    print(f"seed {arguments.seed}")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="reelkeeper-kills-") as folder,
            seaweedfs.serve(in_memory=True, room_mb=2 * arguments.mib) as store,
        ):
            toll = prove(store, Path(folder), mib=arguments.mib, kills=arguments.kills, seed=arguments.seed)
    except KeyboardInterrupt:
        print("Interrupted; everything it started has ended", file=sys.stderr)
        return 130
    print(toll)
    good = toll.identical and toll.kills == arguments.kills and toll.left == 0 and toll.again <= toll.most
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
