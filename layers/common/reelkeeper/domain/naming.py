"""Names in the bucket: object keys, content types and permanent URLs.

A key follows from the job and the place of the output in it, so that a second copy of the same output lands on the first.
"""

import hashlib
import mimetypes
import re
from urllib.parse import quote

OUTPUTS_PREFIX = "outputs/"
QUARANTINE_PREFIX = "quarantine/"
# What a permanent object may promise: its key never gets other content (rule 5 of the design).
CACHE_CONTROL = "public, max-age=31536000, immutable"
_NAME_CHARS = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")

# Only the table built into Python, never the machine's own files: a type must not depend on where the function runs.
_TYPES = mimetypes.MimeTypes(filenames=())
for _extension, _type in {
    ".ass": "text/x-ssa",
    ".avi": "video/x-msvideo",
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".srt": "application/x-subrip",
    ".ts": "video/mp2t",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".vtt": "text/vtt",
}.items():
    _TYPES.add_type(_type, _extension)


def object_key(job_id: str, index: int, name: str, *, version: int = 1) -> str:
    """`outputs/{job_id}/{index}-{name}`: at most 230 characters, safe in a URL, the extension kept.

    Another file of the same output is another `version`, with a key of its own: `{index}.2-{name}`.
    """
    place = str(index) if version == 1 else f"{index}.{version}"
    return f"{OUTPUTS_PREFIX}{_safe_id(job_id)}/{place}-{_safe_name(name)}"


def quarantine_key(key: str) -> str:
    """Where an output goes that is not what it claims to be: the same path under `quarantine/`, which nothing serves."""
    return QUARANTINE_PREFIX + key.removeprefix(OUTPUTS_PREFIX)


def faststart_key(key: str) -> str:
    """Where the copy of an output goes whose index comes first: beside the file as NCA made it, never in its place."""
    folder, _, last = key.rpartition("/")
    return f"{folder}/faststart/{served_name(last, 'mp4')}"


def served_name(name: str, extension: str) -> str:
    """The name with the extension its bytes deserve."""
    stem, dot, _ = name.rpartition(".")
    return f"{stem if dot else name}.{extension}"


def content_type(name: str) -> str:
    """The type browsers expect for a file of this name; NCA sends none, and S3 would say `binary/octet-stream`."""
    # Of the name the object gets: `guess_type` takes others for URLs, and answers what a `data:` one says.
    guessed, encoding = _TYPES.guess_type(_safe_name(name).lower())
    if guessed is None or encoding is not None:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") or guessed.endswith("subrip") else guessed


def content_disposition(name: str) -> str:
    """`inline` with the file's name, so that a browser plays what it can and saves the rest under a good name."""
    return f'inline; filename="{_safe_name(name)}"'


def permanent_url(template: str, key: str) -> str:
    """The address that never expires: the template with `{key}` filled in, or the key appended where it has none."""
    quoted = quote(key, safe="/-._~")
    return template.replace("{key}", quoted) if "{key}" in template else f"{template.rstrip('/')}/{quoted}"


def _safe_id(job_id: str) -> str:
    # Whoever holds the webhook's token chooses this text; it must not climb out of its folder.
    return job_id if _SAFE_ID.fullmatch(job_id) else hashlib.sha256(job_id.encode()).hexdigest()[:40]


def _safe_name(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10 or not extension.isalnum() or not extension.isascii():
        stem, extension = name, ""
    stem = _UNSAFE.sub("_", stem).strip("._")[:_NAME_CHARS] or "output"
    return f"{stem}.{extension.lower()}" if extension else stem
