"""Who takes part in the copy benchmark: for each the command that copies a URL, or uploads a file, as a whole process."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from local.seaweedfs import REGION, Store

BIN = Path(sys.executable).parent
PEERS = Path(__file__).with_name("peers")
OURS = "reelkeeper copy"
RCLONE = "rclone copyurl"
BOTO3 = "boto3 upload_fileobj"
PIPE = "curl | aws s3 cp"
MISSION = "requests + put_object"
RCLONE_DISK, BOTO3_DISK, AWS_DISK = "rclone, from disk", "boto3, from disk", "aws, from disk"
OURS_INSIDE, COPY_OBJECT = "reelkeeper copy, server-side", "boto3 copy_object"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be copied where: a URL (or the path of the same file on disk) to a key of a bucket of a store."""

    url: str
    file: Path
    size: int
    store: Store
    bucket: str
    key: str = "film.mp4"

    @property
    def target(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


Command: TypeAlias = Callable[[Task], Sequence[str]]


def _script(name: str, *words: str, task: Task) -> Sequence[str]:
    return [sys.executable, str(PEERS / f"{name}.py"), *words, task.store.endpoint, task.bucket, task.key]


def _ours(task: Task) -> Sequence[str]:
    return [str(BIN / "reelkeeper"), "copy", task.url, task.target, "--endpoint", task.store.endpoint, "--addressing", "path"]


def _pipe(task: Task) -> Sequence[str]:
    aws = [str(BIN / "aws"), "s3", "cp", "-", task.target, "--endpoint-url", task.store.endpoint]
    line = f"curl -sSf {shlex.quote(task.url)} | {shlex.join([*aws, '--expected-size', str(task.size)])}"
    return ["bash", "-o", "pipefail", "-c", line]


def _aws_disk(task: Task) -> Sequence[str]:
    command = [str(BIN / "aws"), "s3", "cp", str(task.file), task.target, "--endpoint-url", task.store.endpoint]
    return [*command, "--only-show-errors"]


def _rclone(action: str, what: str, task: Task) -> Sequence[str]:
    # The bucket is there already, as everyone else takes for granted, too.
    return [str(BIN / "rclone"), action, what, f"store:{task.bucket}/{task.key}", "--s3-no-check-bucket"]


COPIES: Mapping[str, Command] = {
    OURS: _ours,
    RCLONE: lambda task: _rclone("copyurl", task.url, task),
    BOTO3: lambda task: _script("streamed", task.url, task=task),
    PIPE: _pipe,
    MISSION: lambda task: _script("whole", task.url, task=task),
}
UPLOADS: Mapping[str, Command] = {
    RCLONE_DISK: lambda task: _rclone("copyto", str(task.file), task),
    BOTO3_DISK: lambda task: _script("from_disk", str(task.file), task=task),
    AWS_DISK: _aws_disk,
}
# Their task's URL is the address of an object in the store itself.
INSIDE: Mapping[str, Command] = {
    OURS_INSIDE: _ours,
    COPY_OBJECT: lambda task: _script(
        "copy_object", *task.url.removeprefix(f"{task.store.endpoint}/").split("/", 1), task=task
    ),
}


def environ(store: Store, home: Path) -> dict[str, str]:
    """What each of them finds: the keys, and nothing of the person who runs the benchmark."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "RCLONE_CONFIG": str(home / "none.conf"),
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": store.endpoint,
        "RCLONE_CONFIG_STORE_REGION": REGION,
    }
