"""Every metric there is: name, unit, dimensions, meaning. docs/metrics.md is this list for people; a test keeps them in step.

Each is published under the dimension `service` (the stack's name); one with a further dimension under both, so that a sum over
all of its values needs no mathematics. Dimensions have few and known values: each combination is billed as a metric of its own.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["Count", "Bytes", "Seconds", "Bytes/Second"]

NAMESPACE: Final = "Reelkeeper"
# What stands for a value that is not listed: a caller's text must not become a dimension.
OTHER: Final = "other"

_ORIGIN = ("origin", ("webhook", "poll", "operator"))
_STATE = ("state", ("submitted", "finished", "stored", "published", "kept", "failed", "lost", "rejected"))
_KIND = ("kind", ("retry", "refused", "gone"))
_INCIDENT = ("kind", ("nca_restarted", "nca_stalled", "webhooks_silent", "airtable_quota", "object_missing"))
_VERDICT = ("verdict", ("plays", "plays_in_some", "will_not_play", "data", "unseen", "rejected"))


class Metric(Enum):
    """A metric by its name in upper case: unit, meaning, and the values of each further dimension."""

    # What comes in.
    WEBHOOK_RECEIVED_TOTAL = "Count", "Callbacks answered with 202: each is on the queue or in the inbox."
    WEBHOOK_INBOXED_TOTAL = "Count", "Of these, the ones only the inbox took, because SQS did not; the next sweep fetches them."
    WEBHOOK_REJECTED_TOTAL = "Count", "Requests with an unknown token, answered 401."
    WEBHOOK_UNSTORED_TOTAL = "Count", "Callbacks that nothing could take, answered 503; the poller asks NCA about their jobs."
    WEBHOOK_LOOKED_TOTAL = "Count", "People and checks that looked whether the address is right (GET)."

    # A job's way, counted where the ledger's conditional write was won: once for each step, whoever made it.
    JOBS_TOTAL = "Count", "Jobs that came into a state; received, stored, published, kept is the funnel.", _STATE
    CALLBACKS_TOTAL = "Count", "Jobs whose end became known, by who brought the news.", _ORIGIN
    JOB_DURATION_SECONDS = (
        "Seconds",
        "From submission (estimated where only the callback is known) to Airtable showing it.",
        _ORIGIN,
    )
    FILES_STORED_TOTAL = "Count", "Outputs that are in the bucket and verified."
    BYTES_STORED_TOTAL = "Bytes", "Their bytes."
    JOBS_RECOVERED_TOTAL = "Count", "Jobs shown in Airtable although their callback never came."
    JOBS_RESUBMITTED_TOTAL = "Count", "Lost jobs that were handed in again."

    # Copying.
    FILE_UPLOAD_ERRORS_TOTAL = (
        "Count",
        "Copies that failed: to be tried again, refused for good, or no source there.",
        _KIND,
    )
    COPY_BYTES_PER_SECOND = "Bytes/Second", "How fast one file was copied, from the first question to the verified object."
    COPY_BYTES_READ_TOTAL = "Bytes", "Bytes read from sources; above bytes stored by what had to be read again."
    COPY_RETRIES_TOTAL = "Count", "Ranges and parts that were asked for again."
    COPY_WIDTH = "Count", "Ranges of one file that were read side by side."
    COPY_RESUMED_TOTAL = "Count", "Copies that went on from another run's checkpoint."
    COPY_RESTARTED_TOTAL = "Count", "False starts: the source changed under the copy, which began anew."
    SOURCE_REFUSED_TOTAL = "Count", "Sources the guard did not let through: not public, not https, or not confirmed by NCA."
    MEDIA_VERDICTS_TOTAL = (
        "Count",
        "Files looked into before publication, by verdict; unseen where our own means failed.",
        _VERDICT,
    )

    # The sweep.
    SWEEPS_TOTAL = "Count", "Sweeps that came to their end; its silence means that nothing goes after lost jobs."
    SWEEP_SECONDS = "Seconds", "How long a sweep took."
    JOBS_DUE = "Count", "Jobs a sweep found due."
    JOBS_OPEN = "Count", "Jobs after a sweep whose end Airtable does not show yet."
    JOBS_STUCK = "Count", "Of these, the ones that are older than an hour."
    OLDEST_OPEN_SECONDS = (
        "Seconds",
        "Age of the oldest open job, from when it was first heard of; 0 while none is open.",
    )
    NCA_REQUESTS_TOTAL = "Count", "Requests to NCA's status routes."
    NCA_UNREADABLE_TOTAL = (
        "Count",
        "Answers of NCA that were no status, or of another job; nothing follows from them.",
    )
    INCIDENTS_TOTAL = "Count", "Events that concern many jobs at once, each told to people once.", _INCIDENT
    MESSAGES_BURIED_TOTAL = "Count", "Messages sent to the dead-letter queue with a reason."

    # Airtable and permanence.
    AIRTABLE_REQUESTS_TOTAL = "Count", "Requests to Airtable's API, refused ones included."
    AIRTABLE_THROTTLED_TOTAL = "Count", "Of these, refused for their rate (429); the work comes back half a minute later."
    AIRTABLE_QUOTA_TOTAL = "Count", "Of these, refused because the workspace's monthly calls are used up."
    ATTACHMENTS_MENDED_TOTAL = "Count", "Attachments Airtable had not fetched, attached again."
    AUDITS_PASSED_TOTAL = "Count", "Audits that found every file of a job there, whole and readable by anyone."
    AUDITS_FAILED_TOTAL = "Count", "Audits that did not."
    OBJECTS_RESTORED_TOTAL = "Count", "Objects an audit missed and brought back."

    def __init__(self, unit: Unit, meaning: str, *dimensions: tuple[str, tuple[str, ...]]) -> None:
        self.unit: Unit = unit
        self.meaning = meaning
        self.dimensions: Mapping[str, tuple[str, ...]] = MappingProxyType(dict(dimensions))

    @property
    def label(self) -> str:
        """The name CloudWatch knows it by."""
        return self.name.lower()
