"""Points in time as text: aware UTC, milliseconds, sortable as they stand."""

from datetime import UTC, datetime


def show_moment(at: datetime) -> str:
    """`2026-11-23T18:00:00.000Z`; the form Airtable and the ledger's indexes use alike."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> datetime:
    """Read ISO 8601 with a zone; raises ValueError for anything else, a time without zone included."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text!r}")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"a time before the first or after the last year there is: {text!r}") from None
