"""What Airtable does not document, or does one time so and one time otherwise: switches, for tests to try both."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class Switches:
    """Set them at any time; each is read when it matters."""

    # Sent with a rate 429 when set; Airtable's pages promise the header for 503 only, and practitioners disagree.
    retry_after_s: int | None = None
    # What NOW() gives; empty: the time of the request. In formula fields Airtable recalculates it "not continuously".
    frozen_now: datetime | None = None
    # How long an offset of a listing lives; practitioners say minutes. Empty: for ever.
    iterator_ttl: timedelta | None = timedelta(minutes=5)
    # A missing record's 404 as {"error": {"type": "NOT_FOUND"}} instead of {"error": "NOT_FOUND"}.
    not_found_as_object: bool = False
    # An attachment that could not be fetched stays, with a URL that gives errors, instead of leaving the cell.
    dead_attachments: bool = False
    # Answer attachment writes with partialSuccess, attachmentUploadRateIsTooHigh, and leave the new ones out.
    attachment_rate_too_high: bool = False
    # The token lacks schema.bases:read, as one made for records alone does; documented, and a person's choice.
    without_schema_scope: bool = False
