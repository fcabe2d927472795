"""Everything outside that the workers talk to, made once per cold start from the settings and the secret."""

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field

from reelkeeper.adapters import clients
from reelkeeper.adapters.airtable import Airtable
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.engine import Engine
from reelkeeper.adapters.inbox import Inbox
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.nca import Nca
from reelkeeper.adapters.nca_bucket import NcaBucket
from reelkeeper.adapters.notebook import Notebook
from reelkeeper.adapters.pace import Pace
from reelkeeper.adapters.probe import Probe
from reelkeeper.adapters.queue import Queue
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.adapters.sentry import report_faults
from reelkeeper.adapters.source import Source
from reelkeeper.adapters.topic import Topic
from reelkeeper.adapters.versions import Versions
from reelkeeper.adapters.viewer import Viewer
from reelkeeper.domain.mapping import Mapping
from reelkeeper.services.faststart import FastStart
from reelkeeper.services.gate import Gate
from reelkeeper.services.mapping_of import mapping_of
from reelkeeper.services.preflight import Preflight
from reelkeeper.services.tally import tally
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import ConfigurationError, RecoverySettings, Settings
from reelkeeper.telemetry import at_the_end, logger

# Outputs that are copied side by side in one worker; what they hold together is the copier's to bound.
WIDTH = 8


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside systems by what they are; `nca`, `nca_bucket` and `engine` are None where nobody said where they are.

    `gate` is None where files are not looked into.
    """

    queue: Queue
    dead_letters: Queue
    inbox: Inbox
    ledger: Ledger
    bucket: Bucket
    versions: Versions
    viewer: Viewer
    source: Source
    copier: Copier
    airtable: Airtable
    nca: Nca | None
    mapping: Mapping
    topic: Topic
    notebook: Notebook
    nca_bucket: NcaBucket | None
    engine: Engine | None
    recovery: RecoverySettings
    gate: Gate | None = None
    preflight: Preflight = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "preflight", Preflight(self.airtable, self.mapping))

    @property
    def outdated(self) -> bool:
        """Whether a key was refused: the secret may hold a better one by now, and is to be read again."""
        return any(one is not None and one.refused for one in (self.airtable, self.bucket, self.nca, self.nca_bucket))

    @classmethod
    def from_settings(cls, settings: Settings) -> "Outside":
        """Raises ConfigurationError with the remedy, or RetryLater while the secret or the parameter cannot be read."""
        sqs = clients.sqs()
        secret = read_secret(clients.secrets_manager(), settings.secret)
        keys = (secret.get("storage_access_key", ""), secret.get("storage_secret_key", ""))
        if settings.storage.endpoint and not all(keys):
            raise ConfigurationError("StorageEndpoint is set; put storage_access_key and storage_secret_key into the secret")
        if not secret.get("airtable_token"):
            raise ConfigurationError("the secret has no airtable_token; put a personal access token of the base into it")
        _tell_sentry(secret)
        bucket, source = Bucket(settings.storage, keys=keys, width=WIDTH), Source(settings.source, width=settings.copy.width)
        topic = Topic(clients.sns, settings.topic_arn)
        dynamodb = clients.dynamodb()
        probe = Probe()
        return cls(
            queue=Queue(sqs, settings.queue_url),
            dead_letters=Queue(sqs, settings.dead_letter_url),
            inbox=Inbox(clients.s3, settings.bucket),
            ledger=Ledger(dynamodb, settings.table, changed=tally),
            bucket=bucket,
            versions=Versions(settings.storage, keys=keys),
            viewer=Viewer(width=WIDTH),
            source=source,
            copier=Copier(source, bucket, memory=settings.copy.memory, width=settings.copy.width),
            airtable=Airtable(
                token=secret["airtable_token"],
                base_id=settings.airtable.base_id,
                endpoint=settings.airtable.endpoint,
                pace=Pace(dynamodb, settings.table, share=settings.airtable.share, say=topic.say),
            ),
            nca=Nca(settings.nca_url, secret.get("nca_api_key", "")) if settings.nca_url else None,
            mapping=mapping_of(settings),
            topic=topic,
            notebook=Notebook(dynamodb, settings.table),
            nca_bucket=_nca_bucket(settings, secret),
            engine=Engine(settings.recovery.engine_url) if settings.recovery.engine_url else None,
            recovery=settings.recovery,
            gate=Gate(bucket, probe, fast_start=FastStart(bucket, probe) if settings.fast_start else None),
        )


def _tell_sentry(secret: AbstractMapping[str, str]) -> None:
    """Have our faults reported where the secret says so."""
    dsn = secret.get("sentry_dsn", "")
    if not dsn:
        return
    try:
        send = report_faults(dsn, secrets=secret.values(), stack=logger.service, keys=logger.thread_safe_get_current_keys)
    except ValueError as error:
        # No reason to leave files uncopied.
        logger.error("faults are not reported", reason=str(error))
    else:
        at_the_end(send)


def _nca_bucket(settings: Settings, secret: AbstractMapping[str, str]) -> NcaBucket | None:
    """Where NCA writes; it can be listed only with keys of its own, which need no more than the right to list."""
    if not settings.nca_bucket.url:
        return None
    keys = (secret.get("nca_bucket_access_key", ""), secret.get("nca_bucket_secret_key", ""))
    return NcaBucket(settings.nca_bucket, settings.source, keys=keys)
