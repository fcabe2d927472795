"""The bucket, its earlier versions, and who looks at what it shows."""

import zlib
from collections import defaultdict

from reelkeeper.adapters.bucket import Bucket, Stored
from reelkeeper.adapters.uploads import Upload
from reelkeeper.adapters.verdicts import Taken
from reelkeeper.adapters.versions import Versions
from reelkeeper.adapters.viewer import Seen, Viewer
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.naming import quarantine_key
from reelkeeper.domain.parts import crc32_text
from reelkeeper.domain.stores import Place


class FakeUpload(Upload):
    """An upload that somebody has left."""

    def __init__(self, bucket: "FakeBucket", key: str, upload_id: str) -> None:
        self.id, self.key = upload_id, key
        self._bucket = bucket

    def abort(self) -> None:
        self._bucket.aborted.append((self.key, self.id))


class FakeBucket(Bucket):
    """Objects by key, never overwritten; `puts` counts how often each was sent, `reasons` say why one was set aside."""

    refused = False

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.described: dict[str, tuple[str, str]] = {}
        self.objects: dict[str, bytes] = {}
        self.puts: dict[str, int] = defaultdict(int)
        self.aborted: list[tuple[str, str]] = []
        self.down: RetryLater | None = None

    def head(self, key: str) -> Stored | None:
        self._answer()
        body = self.objects.get(key)
        return Stored(len(body), crc32_text(zlib.crc32(body))) if body is not None else None

    def put(self, key: str, body: bytes | bytearray, *, name: str, crc32: str) -> None:
        self._answer()
        self.puts[key] += 1
        if key in self.objects:
            raise Taken
        assert crc32 == crc32_text(zlib.crc32(body))
        self.objects[key] = bytes(body)

    def upload(self, key: str, upload_id: str) -> Upload:
        return FakeUpload(self, key, upload_id)

    def neighbour(self, url: str) -> Place | None:
        return None

    def crc32(self, key: str) -> int:
        self._answer()
        return zlib.crc32(self.objects[key])

    def read(self, key: str, start: int, length: int) -> bytes:
        self._answer()
        if key not in self.objects:
            raise Gone(f"there is no object under {key}")
        return self.objects[key][start : start + length]

    def quarantine(self, key: str, *, reason: str) -> str:
        self._answer()
        if key not in self.objects:
            raise Gone(f"there is no object under {key}")
        self.objects[quarantine_key(key)] = self.objects.pop(key)
        self.reasons[quarantine_key(key)] = reason
        return quarantine_key(key)

    def describe(self, key: str, *, name: str, media_type: str) -> None:
        self._answer()
        self.described[key] = (name, media_type)

    def address(self, key: str) -> str:
        return f"https://kept.example.net/{key}"

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeVersions(Versions):
    """Earlier versions by key; bringing one back puts it into the bucket."""

    def __init__(self, bucket: FakeBucket) -> None:
        self._bucket = bucket
        self.earlier: dict[str, bytes] = {}

    def bring_back(self, key: str, *, size: int, crc32: str | None) -> str | None:
        body = self.earlier.get(key)
        if body is None or len(body) != size or crc32 != crc32_text(zlib.crc32(body)):
            return None
        self._bucket.objects[key] = body
        return "version-1"


class FakeViewer(Viewer):
    """What anybody sees at an address: the bucket's object, unless a test puts something else there."""

    def __init__(self, bucket: FakeBucket) -> None:
        self._bucket = bucket
        self.instead: dict[str, Seen | Exception] = {}
        self.looked: list[str] = []

    def look(self, url: str) -> Seen:
        self.looked.append(url)
        found = self.instead.get(url)
        if isinstance(found, Exception):
            raise found
        body = self._bucket.objects.get(url.removeprefix("https://kept.example.net/"))
        if found is not None:
            return found
        return Seen(200, "video/mp4", len(body), gives_ranges=True) if body is not None else Seen(404, "text/html", 9, False)
