"""A stored request with fresh inputs: Airtable's links die two hours after they were given out, so that they are read anew."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from reelkeeper.domain.callback import name_in

_HOSTS = (".airtableusercontent.com", "dl.airtable.com")
_ID = re.compile(r"\batt[A-Za-z0-9]{14}\b")


class Dead(Exception):
    """An input that cannot be had any more; the message says which."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment as Airtable shows it now."""

    attachment_id: str
    url: str
    filename: str


def attachments_in(fields: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Every attachment in a record's fields."""
    cells = [cell for cell in fields.values() if isinstance(cell, list)]
    found = [one for cell in cells for one in cell if isinstance(one, dict) and isinstance(one.get("url"), str)]
    return tuple(Attachment(str(one.get("id", "")), one["url"], str(one.get("filename", ""))) for one in found)


def refresh(value: Any, attachments: Iterable[Attachment]) -> Any:
    """The same request with each of Airtable's links replaced by its fresh one; raises Dead for one that has none."""
    known = tuple(attachments)
    if isinstance(value, dict):
        return {name: refresh(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [refresh(one, known) for one in value]
    return _fresh(value, known) if isinstance(value, str) and _is_airtables(value) else value


def _fresh(url: str, known: tuple[Attachment, ...]) -> str:
    """By the attachment's id where the link shows it, else by the same path, else by a file name that only one has."""
    path = _path(url)
    by_id = [one for one in known if one.attachment_id and one.attachment_id in path]
    same_path = [one for one in known if _path(one.url) == path]
    same_name = [one for one in known if one.filename and one.filename == name_in(url)]
    for candidates in (by_id, same_path, same_name):
        if len(candidates) == 1:
            return candidates[0].url
    raise Dead(f"the input {name_in(url) or 'without a name'} is not in the record any more")


def _is_airtables(text: str) -> bool:
    if not text.startswith(("https://", "http://")):
        return False
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        return False
    return host.endswith(_HOSTS) or _ID.search(_path(text)) is not None


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url
