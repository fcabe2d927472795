"""NCA's bucket: objects on disk under path-style addresses, readable by anyone, until they are deleted or turn unreadable."""

import hashlib
import hmac
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

Ending = Literal["deleted", "forbidden"]
BUCKET = "media"
# How long the toolkit's signed addresses live; measured, facts-nca.md.
SIGNED_FOR_S = 3600
_KEY = b"the store's own"
# Whoever signs with it may list the bucket.
LIST_KEY = "nca-list"
PAGE = b"<!doctype html><title>Sign in</title><h1>Sign in to continue</h1>"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: where its bytes are, since when, and how it misbehaves. `ends_at` is when it ends in the way of `ending`."""

    path: Path
    written_at: float
    public: bool = True
    ends_at: float | None = None
    ending: Ending = "deleted"
    html: bool = False
    cuts: int = 0
    stalls_s: float = 0.0


class Storage:
    """One bucket on this machine; `address` is its S3_ENDPOINT_URL, times are seconds of `clock`."""

    def __init__(self, folder: Path, address: str, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._address = address
        self._clock = clock
        self._objects: dict[str, Stored] = {}
        self._lock = threading.Lock()

    def put(self, name: str, source: Path, *, public: bool = True) -> str:
        """Keep a copy of a file under a name and return its address: signed for an hour where it is not public."""
        place = self._folder / hashlib.sha256(name.encode()).hexdigest()
        shutil.copyfile(source, place)
        with self._lock:
            self._objects[name] = Stored(place, self._clock(), public=public)
        return self.url(name, signed=not public)

    def put_bytes(self, name: str, content: bytes) -> str:
        """Keep these bytes under a name and return its address."""
        place = self._folder / f"new-{hashlib.sha256(name.encode()).hexdigest()}"
        place.write_bytes(content)
        return self.put(name, place)

    def url(self, name: str, *, signed: bool = False) -> str:
        """`{S3_ENDPOINT_URL}/{bucket}/{quoted name}`, put together as the toolkit does it."""
        address = f"{self._address}/{BUCKET}/{quote(name)}"
        if not signed:
            return address
        expires = int(self._clock()) + SIGNED_FOR_S
        return f"{address}?AWSAccessKeyId=nca&Signature={quote(_sign(name, expires), safe='')}&Expires={expires}"

    def read(self, name: str, *, signature: str = "", expires: str = "") -> Stored | Ending:
        """The object as it is now, or in which way it cannot be read."""
        with self._lock:
            found = self._objects.get(name)
        if found is None or (found.ends_at is not None and self._clock() >= found.ends_at):
            return found.ending if found else "deleted"
        if not found.public:
            fresh = expires.isdigit() and int(expires) >= self._clock()
            if not fresh or not hmac.compare_digest(signature, _sign(name, int(expires))):
                return "forbidden"
        return found

    def delete(self, name: str) -> None:
        """Delete an object at once."""
        self.end(name, after_s=0.0)

    def end(self, name: str, *, after_s: float, ending: Ending = "deleted") -> None:
        """Let an object vanish or turn unreadable after some seconds."""
        self._change(name, lambda one: replace(one, ends_at=self._clock() + after_s, ending=ending))

    def spoil(self, name: str, *, html: bool = False, cuts: int = 0, stalls_s: float = 0.0) -> None:
        """Let an address answer with a page, or its next downloads break off in the middle, or the next one stall there."""
        self._change(name, lambda one: replace(one, html=html, cuts=cuts, stalls_s=stalls_s))

    def halve(self, name: str) -> None:
        """Keep only the first half of an object, as an upload that broke off unnoticed leaves it."""
        with self._lock:
            place = self._objects[name].path
            content = place.read_bytes()
            place.write_bytes(content[: len(content) // 2])

    def heal(self, name: str) -> None:
        """Count one download that broke off or stalled."""
        self._change(name, lambda one: replace(one, cuts=max(one.cuts - 1, 0), stalls_s=0.0))

    def names(self) -> Iterator[str]:
        """What is there now."""
        yield from [name for name in tuple(self._objects) if isinstance(self.read(name), Stored)]

    def _change(self, name: str, to: Callable[[Stored], Stored]) -> None:
        with self._lock:
            if name in self._objects:
                self._objects[name] = to(self._objects[name])


def _sign(name: str, expires: int) -> str:
    return hmac.new(_KEY, f"{name}\n{expires}".encode(), "sha1").hexdigest()
