"""Which object a URL names when it lies in the store that we write to: then the store copies it, and no byte comes here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

# Path style and virtual-host style at AWS, old and new (AWS, "Methods for accessing an S3 bucket").
_AWS = re.compile(r"(?:(?P<bucket>[a-z0-9.-]+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Place:
    """An object in the store."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The buckets of our store that outputs come from: their names, and which other hosts show which of them."""

    endpoint: str = ""
    buckets: frozenset[str] = frozenset()
    domains: Mapping[str, str] = field(default_factory=dict)

    def find(self, url: str) -> Place | None:
        """The object behind `{endpoint}/{bucket}/{key}`, `{bucket}.{endpoint}/{key}` or `{domain}/{key}`; None for others."""
        parts = urlsplit(url)
        host = (parts.netloc if parts.port not in (None, 80, 443) else parts.hostname or "").lower()
        path = unquote(parts.path.removeprefix("/"))
        bucket = self.domains.get(host) or self._virtual(host)
        if bucket is None and self._is_endpoint(host):
            bucket, _, path = path.partition("/")
        # A key with such a step is read in two ways, by the store and by what stands before it.
        if not path or bucket not in self.buckets or any(step in (".", "..") for step in path.split("/")):
            return None
        return Place(bucket, path)

    def _virtual(self, host: str) -> str | None:
        if not self.endpoint:
            found = _AWS.fullmatch(host)
            return found["bucket"] if found else None
        before = {bucket: f"{bucket}." for bucket in self.buckets if host.startswith(f"{bucket}.")}
        return next((bucket for bucket, dot in before.items() if self._is_endpoint(host.removeprefix(dot))), None)

    def _is_endpoint(self, host: str) -> bool:
        if not self.endpoint:
            found = _AWS.fullmatch(host)
            return found is not None and found["bucket"] is None
        parts = urlsplit(self.endpoint)
        return host == (parts.netloc if parts.port not in (None, 80, 443) else parts.hostname or "").lower()
