"""What a copy comes to: the object that is there now, and what it took."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Way: TypeAlias = Literal["put", "parts", "stream", "server-side", "found"]


@dataclass(frozen=True, slots=True)
class Work:
    """How a copy went, and what this run of it cost.

    `read` bytes came from the source (0: the store copied on its own), `kept_before` bytes lay there from earlier runs; `width`
    is the most connections at once, `retries` counts parts that were sent again; `restarted` says that the source changed
    under the copy, which began anew.
    """

    way: Way
    seconds: float = 0.0
    read: int = 0
    kept_before: int = 0
    width: int = 1
    retries: int = 0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies in the bucket now: bytes and their CRC32, base64 as S3 writes it (None: the store copied, and gives none)."""

    size: int
    crc32: str | None
    work: Work
