"""The files of attachments: given out under links that die, and taken in by uploadAttachment."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, send_file

from local.airtable import errors
from local.airtable.answers import body_json, record_json, record_of
from local.airtable.errors import ApiError
from local.airtable.record import Attachment, Fetch
from local.airtable.schema import FieldType, new_id
from local.airtable.served import Served

# https://airtable.com/developers/web/api/upload-attachment
MOST_UPLOAD_BYTES = 5_000_000


def routes(served: Served) -> Blueprint:
    """What stands for v5.airtableusercontent.com: no token, no limits, and links that die."""
    files = Blueprint("files", __name__, url_prefix="/v0/attachments")

    @files.get("/<attachment_id>/<int:expires_ms>/<path:filename>")
    def content(attachment_id: str, expires_ms: int, filename: str) -> Response:
        if served.clock() >= datetime.fromtimestamp(expires_ms / 1000, UTC):
            raise ApiError(410, "GONE", "The link has expired")
        attachment = served.base.attachment(attachment_id)
        if not attachment or attachment.state is not Fetch.KEPT or not attachment.path:
            raise errors.not_found(as_object=True)
        return send_file(attachment.path, mimetype=attachment.type, download_name=filename, conditional=True)

    return files


def uploaded(served: Served, record_id: str, field_name: str) -> dict[str, object]:
    """The cell with one more file, by field id as Airtable answers here; raises ApiError for another form."""
    place = served.base.place_of(record_id)
    if place is None:
        raise errors.not_found(as_object=served.switches.not_found_as_object)
    table, record = place
    field = table.field(field_name)
    if field is None:
        raise errors.unknown_field(field_name)
    body = body_json()
    named = [body.get(name) for name in ("file", "filename", "contentType")] if isinstance(body, Mapping) else []
    if field.type is not FieldType.ATTACHMENTS or len(named) < 3 or not all(isinstance(one, str) for one in named):
        raise errors.wrong_attachment(field.name)
    text, filename, kind = map(str, named)
    try:
        content = base64.b64decode(text)
    except ValueError as error:
        raise errors.wrong_attachment(field.name) from error
    if len(content) > MOST_UPLOAD_BYTES:
        raise ApiError(413, "REQUEST_TOO_LARGE", f"At most {MOST_UPLOAD_BYTES} bytes")
    kept = served.ingest.keep(Attachment(new_id("att"), filename, ""), content, kind)
    served.base.attach(table, record, field, kept)
    return record_json(served, table, record_of(served, table, record_id), by_id=True, fields=[field.id])
