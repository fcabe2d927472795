"""`reelkeeper copy`: any URL into any bucket, by hand, with the engine that keeps NCA's outputs."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from cyclopts import Parameter
from cyclopts.validators import Number

from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.note import Note
from reelkeeper.cli.place import Here
from reelkeeper.cli.screen import Screen

MIB = 1024 * 1024
_PORTS = {"http": 80, "https": 443}
# What the copy hears of its progress: bytes in the bucket so far, and the whole size where it is known.
Progress = Callable[[int, int | None], None]


def copy(
    url: str,
    target: str,
    *,
    endpoint: Annotated[str, Parameter(env_var="SPACES_ENDPOINT")] = "",
    addressing: Literal["auto", "path", "virtual"] = "auto",
    acl: str = "",
    memory: Annotated[int, Parameter(validator=Number(gte=16, lte=4096))] = 64,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    place: Here,
) -> None:
    """Copy a URL into a bucket.

    Parameters
    ----------
    url
        What to copy, over https or http. Redirects are followed, never to another host's private address.
    target
        s3://BUCKET/KEY. A KEY that ends in / gets the source's file name. The object's type follows from its name.
    endpoint
        The store's address if it is not AWS.
    addressing
        Where the bucket's name goes: into the host name (virtual) or into the path.
    acl
        The ACL of the new object, for stores that have them: public-read lets anyone read it.
    memory
        MiB of the file held in memory at once, at most, however large the file is.
    as_json
        Print the result as JSON.
    """
    screen = Screen()
    bucket_name, key = _target(target, url, os.environ.get("SPACES_BUCKET_NAME", ""))
    # Here, since boto3 takes most of a second that a mistyped address need not cost.
    from reelkeeper.adapters.bucket import Bucket  # noqa: PLC0415
    from reelkeeper.adapters.source import Source  # noqa: PLC0415
    from reelkeeper.domain.stores import Neighbours  # noqa: PLC0415
    from reelkeeper.services.transfer import Copier  # noqa: PLC0415
    from reelkeeper.settings import SourceSettings, StorageSettings  # noqa: PLC0415

    keys = _spaces_keys() if endpoint else None
    # Asking the place makes the profile of the command line that of every client; with keys of their own none is needed.
    profiled = place.region if keys is None else ""
    region = place.named_region or (os.environ.get("SPACES_REGION", "") if endpoint else "") or profiled
    settings = StorageSettings(
        bucket=bucket_name,
        public_url=f"s3://{bucket_name}/{{key}}",
        endpoint=endpoint,
        region=region,
        acl=acl,
        addressing=addressing,
        neighbours=Neighbours(endpoint, buckets=_buckets_it_may_name(url)),
    )
    guard = SourceSettings(hosts=frozenset(), local_hosts=_typed(url), max_bytes=5 * 2**40)
    copier = Copier(Source(guard), Bucket(settings, keys=keys), memory=memory * MIB)
    note = Note(url, f"{endpoint}/{bucket_name}/{key}")
    begun = time.monotonic()
    with _bar(key) as progress:
        kept = copier.copy(
            url,
            key,
            name=key.rpartition("/")[2],
            confirmed=True,
            checkpoint=note,
            progress=progress,
        )
    note.save(None)
    took = time.monotonic() - begun
    where = f"s3://{bucket_name}/{key}"
    if as_json:
        screen.json({"object": where, "bytes": kept.size, "crc32": kept.crc32, "way": kept.work.way, "seconds": round(took, 3)})
        return
    rate = f"{kept.size / took / 1e6:,.0f} MB/s"
    how = "was there already" if kept.work.way == "found" else f"in {took:.1f} s, {rate}, {kept.work.way}"
    screen.say(f"{where}: {kept.size:,} bytes {how}")


def _target(target: str, url: str, default_bucket: str) -> tuple[str, str]:
    """Bucket and key; raises Unusable."""
    if target.startswith("s3://"):
        bucket, _, key = target.removeprefix("s3://").partition("/")
    elif "://" not in target and default_bucket:
        bucket, key = default_bucket, target.lstrip("/")
    else:
        raise Unusable(
            f"{target!r} is no target: write s3://BUCKET/KEY (or a key alone, with the bucket's name in SPACES_BUCKET_NAME)"
        )
    if not key or key.endswith("/"):
        key += unquote(urlsplit(url).path).rpartition("/")[2]
    if not bucket or not key or key.endswith("/"):
        raise Unusable(f"{target!r} names no object, and neither does the URL: write s3://BUCKET/KEY")
    return bucket, key


def _spaces_keys() -> tuple[str, str] | None:
    access, secret = (os.environ.get(f"SPACES_{half}_KEY", "") for half in ("ACCESS", "SECRET"))
    if bool(access) != bool(secret):
        raise Unusable(
            "SPACES_ACCESS_KEY and SPACES_SECRET_KEY go together: set both, or neither to use the AWS profile's keys"
        )
    return (access, secret) if access else None


def _typed(url: str) -> frozenset[str]:
    """The host of the URL itself may be reached over http and at a private address: a person typed it, no callback named it."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return frozenset()
    return frozenset({f"{parts.hostname}:{port}"})


def _buckets_it_may_name(url: str) -> frozenset[str]:
    """What in the URL may be a bucket of the target's store: that copies on its own, as far as the keys may read it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    in_host = {host[:end] for end, character in enumerate(host) if character == "."}
    return frozenset({*in_host, parts.path.removeprefix("/").partition("/")[0]} - {""})


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """A progress bar on a terminal, and nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done, _size: None
        return
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
