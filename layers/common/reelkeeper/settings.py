"""The environment, read once into one frozen object: the only module that reads it.

Each function needs its own few settings, and the webhook's cold start may not pay for the others', so each has a type.
Names are those of template.yaml; `docs/configuration.md` lists them for people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from reelkeeper.domain.stores import Neighbours

MIB = 1024 * 1024
_LEAST_MEMORY_MIB = 16


class ConfigurationError(Exception):
    """One clear line: which setting, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """What the webhook needs, and nothing more."""

    queue_url: str
    bucket: str
    token_secret: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "ReceiveSettings":
        return cls(
            queue_url=_required(environ, "QUEUE_URL"),
            bucket=_required(environ, "BUCKET"),
            token_secret=_required(environ, "TOKEN_SECRET_ARN"),
        )


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where outputs are kept. `endpoint` empty: the stack's own S3 bucket; set: any S3-compatible store, with its own keys.

    `public_url` is a template with `{key}`, or a base address; `acl` is empty where the store has none (AWS). `neighbours` are
    the store's other buckets that outputs come from, which it copies on its own.
    """

    bucket: str
    public_url: str
    endpoint: str
    region: str
    acl: str
    addressing: str
    neighbours: Neighbours = Neighbours()

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "StorageSettings":
        endpoint = environ.get("STORAGE_ENDPOINT", "")
        return cls(
            bucket=environ.get("STORAGE_BUCKET", "").strip() or _required(environ, "BUCKET"),
            public_url=_required(environ, "PUBLIC_URL_TEMPLATE"),
            endpoint=endpoint,
            region=environ.get("STORAGE_REGION", ""),
            acl=environ.get("STORAGE_ACL", ""),
            addressing=_choice(environ, "STORAGE_ADDRESSING", ("auto", "path", "virtual"), "auto"),
            neighbours=_neighbours(environ, endpoint),
        )


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What the source guard lets through (rule 6): host names, sizes in bytes, times in seconds.

    `hosts` are trusted and may still only be reached at public addresses; `local_hosts` are "host:port" pairs allowed over
    http and at any address, for a store inside the same network (and the local stack). A source that brings less than
    `slowest_bps` bytes a second while we wait for it, over `read_s` seconds, is given up.
    """

    hosts: frozenset[str]
    local_hosts: frozenset[str]
    max_bytes: int
    connect_s: float = 5.0
    read_s: float = 30.0
    slowest_bps: float = 4096.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "SourceSettings":
        return cls(
            # NCA's bucket is the operator's own word, as good as the list.
            hosts=_words(environ, "SOURCE_HOSTS") | _host(environ.get("NCA_BUCKET_URL", "")),
            local_hosts=_words(environ, "SOURCE_LOCAL_HOSTS"),
            max_bytes=_count(environ, "MAX_OBJECT_MIB", 47_683) * MIB,
        )


@dataclass(frozen=True, slots=True)
class CopySettings:
    """What all copies of one worker share: memory in bytes for the files they move, connections to one source's host."""

    memory: int
    width: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "CopySettings":
        memory = _count(environ, "COPY_MEMORY_MIB", 64)
        if memory < _LEAST_MEMORY_MIB:
            raise ConfigurationError(f"COPY_MEMORY_MIB is {memory}; copies need {_LEAST_MEMORY_MIB} at least")
        return cls(memory=memory * MIB, width=_count(environ, "COPY_WIDTH", 8))


@dataclass(frozen=True, slots=True)
class AirtableSettings:
    """The desk: which base, where the mapping is if it is not the one in the package, and how many of the base's five
    requests a second are ours."""

    base_id: str
    endpoint: str
    mapping_parameter: str
    share: int = 4

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "AirtableSettings":
        return cls(
            base_id=_required(environ, "AIRTABLE_BASE_ID"),
            endpoint=environ.get("AIRTABLE_ENDPOINT") or "https://api.airtable.com",
            mapping_parameter=environ.get("MAPPING_PARAMETER", ""),
            share=int(_choice(environ, "AIRTABLE_SHARE", ("1", "2", "3", "4", "5"), "4")),
        )


@dataclass(frozen=True, slots=True)
class NcaBucketSettings:
    """The bucket NCA writes to: `{S3_ENDPOINT_URL}/{bucket}`, empty where nobody said; and its region, for signatures."""

    url: str
    region: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "NcaBucketSettings":
        url = environ.get("NCA_BUCKET_URL", "").strip().rstrip("/")
        if url and not re.fullmatch(r"https?://[^/?#]+/[^?#]+", url):
            raise ConfigurationError(
                "NCA_BUCKET_URL must be an address with the bucket in it, such as https://nyc3.digitaloceanspaces.com/my-space"
            )
        return cls(url=url, region=environ.get("NCA_BUCKET_REGION", ""))


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """How lost jobs are gone after. `nca_workers` is how many NCA runs (0: nobody said), `engine_url` who hands in a job anew,
    `silent_after` how long no callback may come although jobs end, before people are told."""

    nca_workers: int
    engine_url: str
    silent_after: timedelta

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "RecoverySettings":
        return cls(
            nca_workers=_count(environ, "NCA_WORKERS", 0, least=0),
            engine_url=environ.get("ENGINE_URL", "").rstrip("/"),
            silent_after=timedelta(minutes=_count(environ, "WEBHOOKS_SILENT_MINUTES", 60)),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What persist and the poller need."""

    queue_url: str
    dead_letter_url: str
    table: str
    bucket: str
    secret: str
    nca_url: str
    topic_arn: str
    fast_start: bool
    storage: StorageSettings
    source: SourceSettings
    copy: CopySettings
    airtable: AirtableSettings
    nca_bucket: NcaBucketSettings
    recovery: RecoverySettings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        return cls(
            queue_url=_required(environ, "QUEUE_URL"),
            dead_letter_url=_required(environ, "DEAD_LETTER_QUEUE_URL"),
            table=_required(environ, "TABLE"),
            bucket=_required(environ, "BUCKET"),
            secret=_required(environ, "SECRET_ARN"),
            nca_url=environ.get("NCA_URL", "").rstrip("/"),
            topic_arn=environ.get("TOPIC_ARN", ""),
            fast_start=_choice(environ, "FAST_START", ("off", "on"), "off") == "on",
            storage=StorageSettings.read(environ),
            source=SourceSettings.read(environ),
            copy=CopySettings.read(environ),
            airtable=AirtableSettings.read(environ),
            nca_bucket=NcaBucketSettings.read(environ),
            recovery=RecoverySettings.read(environ),
        )


def queue_url(environ: Mapping[str, str]) -> str:
    """The queue alone, for who must put messages back because another setting is wrong."""
    return _required(environ, "QUEUE_URL")


def trace_of_this_run(environ: Mapping[str, str]) -> str | None:
    """X-Ray's header of the present run, which Lambda changes with each; the only variable that is not a setting."""
    return environ.get("_X_AMZN_TRACE_ID")


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigurationError(f"{name} is not set; template.yaml sets it for a deployed function, env.json for a local one")
    return value


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = environ.get(name) or default
    if value not in choices:
        raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
    return value


def _count(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environ.get(name, "").strip()
    if text and (not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or int(text) < least):
        raise ConfigurationError(f"{name} is {text!r}; it must be a whole number above {least - 1}")
    return int(text) if text else default


def _host(url: str) -> frozenset[str]:
    """The host of an https address without a port, which is all that may be fetched from without further words."""
    found = re.fullmatch(r"https://([^/:@?#]+)(?:/.*)?", url.strip().lower())
    return frozenset({found[1]}) if found else frozenset()


def _words(environ: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in environ.get(name, "").split(",") if word.strip())


def _neighbours(environ: Mapping[str, str], endpoint: str) -> Neighbours:
    buckets, domains = _words(environ, "SOURCE_BUCKETS"), {}
    for word in sorted(_words(environ, "SOURCE_BUCKET_DOMAINS")):
        domain, equals, bucket = word.partition("=")
        if not equals or not domain or "/" in domain or bucket not in buckets:
            raise ConfigurationError(
                f"SOURCE_BUCKET_DOMAINS has {word!r}; each must be domain=bucket, the bucket one of SOURCE_BUCKETS"
            )
        domains[domain] = bucket
    return Neighbours(endpoint, buckets, domains) if buckets else Neighbours()
