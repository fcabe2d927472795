"""The YouTube Video Engine's base as it stands, which layers/common/reelkeeper/mapping.toml describes, too."""

from collections.abc import Sequence

from local.airtable.base import Base
from local.airtable.schema import Field, FieldType, Option, Table, stable_id

_JOB_STATES = ("pending", "processing", "completed", "failed")
_SEGMENT_STATES = (
    "Undefined",
    "Voiceover Ready",
    "Voiceover Generation Failed",
    "Generating Video",
    "Video Ready",
    "Video Generation Failed",
    "combining",
    "combined",
    "combination_failed",
)


def engine_base() -> Base:
    """A new base with the engine's tables and no records; ids are the same each time."""
    return Base([_jobs(), _segments(), _videos(), _webhook_events()])


def _jobs() -> Table:
    return _table(
        "Jobs",
        _field("Jobs", "Type"),
        _field("Jobs", "Status", FieldType.SELECT, options=_JOB_STATES),
        _field("Jobs", "External Job ID"),
        _field("Jobs", "Webhook URL"),
        _field("Jobs", "Request Payload", FieldType.LONG_TEXT),
        _field("Jobs", "Response Payload", FieldType.LONG_TEXT),
        _field("Jobs", "Error Details", FieldType.LONG_TEXT),
        # Reelkeeper's wish, as are the permanent addresses below: the engine's own base has neither.
        _field("Jobs", "History", FieldType.LONG_TEXT),
        _field("Jobs", "Related Video", FieldType.LINKS, links_to="Videos"),
        _field("Jobs", "Related Segment Video", FieldType.LINKS, links_to="Segments"),
        _field("Jobs", "Created", FieldType.CREATED_TIME),
        _field("Jobs", "Last Modified", FieldType.LAST_MODIFIED_TIME),
    )


def _segments() -> Table:
    return _table(
        "Segments",
        _field("Segments", "Name"),
        _field("Segments", "Text", FieldType.LONG_TEXT),
        _field("Segments", "Status", FieldType.SELECT, options=_SEGMENT_STATES),
        _field("Segments", "Video", FieldType.ATTACHMENTS),
        _field("Segments", "Voiceover", FieldType.ATTACHMENTS),
        _field("Segments", "Voiceover + Video", FieldType.ATTACHMENTS),
        _field("Segments", "Video URL"),
        _field("Segments", "Voiceover + Video URL"),
        _field("Segments", "Videos", FieldType.LINKS, links_to="Videos"),
    )


def _videos() -> Table:
    """No Status field: the engine's base has none here."""
    return _table(
        "Videos",
        _field("Videos", "Name"),
        _field("Videos", "Combined Segments Video", FieldType.ATTACHMENTS),
        _field("Videos", "Combined Segments Video URL"),
        _field("Videos", "Music", FieldType.ATTACHMENTS),
        _field("Videos", "Video + Music", FieldType.ATTACHMENTS),
        _field("Videos", "Video + Music URL"),
    )


def _webhook_events() -> Table:
    return _table(
        "Webhook Events",
        _field("Webhook Events", "Service"),
        _field("Webhook Events", "Raw Payload", FieldType.LONG_TEXT),
        _field("Webhook Events", "Received At", FieldType.DATE_TIME),
        _field("Webhook Events", "Attempts", FieldType.NUMBER),
        _field("Webhook Events", "Processed", FieldType.CHECKBOX),
        _field("Webhook Events", "Related Job", FieldType.LINKS, links_to="Jobs"),
    )


def _table(name: str, *fields: Field) -> Table:
    return Table(stable_id("tbl", name), name, fields)


def _field(
    table: str, name: str, kind: FieldType = FieldType.TEXT, *, options: Sequence[str] = (), links_to: str = ""
) -> Field:
    return Field(
        stable_id("fld", table, name),
        name,
        kind,
        options=tuple(Option(stable_id("sel", table, name, option), option) for option in options),
        links_to=stable_id("tbl", links_to) if links_to else "",
    )
