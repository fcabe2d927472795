"""NCA's report on a job, in every shape it was ever seen to take, read into one `Callback`.

The shapes were recorded from the NCA Toolkit build 209 and from 33 callbacks of a running engine; they are listed in
docs/callbacks.md. `parse` is total: it answers for any bytes at all, because what cannot be read must still be kept.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote, urlsplit

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
Outcome: TypeAlias = Literal["success", "failure", "unknown"]
Role: TypeAlias = Literal["file", "thumbnail"]

ERROR_CHARS = 2_000
# In UTF-8 at most 1,024 bytes; DynamoDB refuses a partition key of more than 2,048.
WORD_CHARS = 256
_FILE_KEYS = ("file_url", "output_url", "media_url", "image_url", "url")
_TRANSCRIPT_NAMES = {"text": "transcript.txt", "srt": "transcript.srt", "segments": "segments.json"}
# A user name, the address, and its query or fragment. Python's requests quotes what it cannot reach as `url: /path?query`.
# Every URL matches to its end, secrets or none, so that no text makes this look twice at the same place.
_URL = re.compile(r"(://|url: (?=/))(?:[^\s'\"<>?#/]*@)?([^\s'\"<>?#]*)(?:([?#])[^\s'\"<>]*)?")
_DONE = frozenset({"success", "succeeded", "completed", "complete", "done"})
_FAILED = frozenset({"failed", "failure", "error"})


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a job: at a temporary `url`, or inline as `text` (exactly one of the two is set).

    `seconds` is how long NCA says it plays; None where it does not say.
    """

    url: str | None
    role: Role
    name: str
    text: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """What NCA says the job took, in seconds; None where it does not say."""

    run_s: float | None = None
    queue_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Which NCA process spoke: both change when it restarts. `queue_id` is a string in Cloud Run mode."""

    pid: str | None = None
    queue_id: str | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """NCA's report on one job. `record_id` is the Airtable row of the job; `target_id` the row its output belongs to."""

    job_id: str | None
    record_id: str | None
    operation: str | None
    target_id: str | None
    outcome: Outcome
    outputs: tuple[Output, ...]
    error: str | None
    endpoint: str | None
    timing: Timing
    sender: Sender


def parse(body: str | bytes, query: Mapping[str, str]) -> Callback:
    """Read any body into a `Callback`, never raising; what says nothing has the outcome "unknown"."""
    envelope = _envelope(_load(body))
    outputs = tuple(_outputs(envelope))
    outcome = _outcome(envelope, outputs)
    return Callback(
        job_id=_word(envelope.get("job_id")),
        record_id=_word(query.get("job_id")) or _word(envelope.get("id")),
        operation=_word(query.get("operation")),
        target_id=_word(query.get("target_id")),
        outcome=outcome,
        outputs=outputs if outcome == "success" else (),
        error=_error(envelope) if outcome == "failure" else None,
        endpoint=_word(envelope.get("endpoint")),
        timing=Timing(*(_seconds(envelope.get(key)) for key in ("run_time", "queue_time", "total_time"))),
        sender=Sender(*(_word(envelope.get(key)) for key in ("pid", "queue_id"))),
    )


def _load(body: str | bytes) -> Json:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        return cast(Json, json.loads(text))
    except (ValueError, RecursionError):
        return None


def _envelope(value: Json) -> dict[str, Json]:
    """Unwrap what carries the real envelope: Cloud Run's second report, and the answer of NCA's status route."""
    if not isinstance(value, dict):
        return {}
    inner = value.get("error")
    if isinstance(inner, dict) and "job_id" in inner and "job_id" not in value:
        return {**inner, "id": inner.get("id") or value.get("id")}
    status = value.get("response")
    if isinstance(status, dict) and "job_status" in status and "job_id" in status:
        report = status.get("response")
        # The status call is a job of its own with an id of its own, which must never be taken for the job's.
        asked: dict[str, Json] = {"job_id": status["job_id"], "job_status": status["job_status"]}
        return report if isinstance(report, dict) and "code" in report else asked
    return value


def _outcome(envelope: Mapping[str, Json], outputs: tuple[Output, ...]) -> Outcome:
    code = _seconds(envelope.get("code"))
    if code is not None:
        if code >= 400:
            return "failure"
        return "success" if 200 <= code < 300 and code != 202 else "unknown"
    words = {word.lower() for key in ("status", "message") if isinstance(word := envelope.get(key), str)}
    if words & _FAILED:
        return "failure"
    return "success" if outputs or words & _DONE else "unknown"


def _outputs(envelope: Mapping[str, Json]) -> Iterator[Output]:
    seen: set[str] = set()
    response = envelope.get("response")
    root: dict[str, Json] = {key: envelope.get(key) for key in ("output_url", "file_url", "url", "thumbnail_url")}
    for output in (*_outputs_in(response), *_outputs_in(root)):
        identity = output.url or f"{output.name}:{output.text}"
        if identity not in seen:
            seen.add(identity)
            yield output


def _outputs_in(value: Json) -> Iterator[Output]:
    if isinstance(value, str):
        yield from _at(value, "file")
    elif isinstance(value, list):
        for item in value:
            # One level of lists is all NCA makes; deeper ones could exhaust the stack.
            if not isinstance(item, list):
                yield from _outputs_in(item)
    elif isinstance(value, dict):
        yield from _outputs_of(value)


def _outputs_of(item: dict[str, Json]) -> Iterator[Output]:
    """The outputs of one object: its file, its thumbnail, then what downloads and transcripts add."""
    name = item.get("filename")
    for key in _FILE_KEYS:
        yield from _at(item.get(key), "file", name if isinstance(name, str) else None, _seconds(item.get("duration")))
    yield from _at(item.get("thumbnail_url"), "thumbnail")
    media, thumbnails, subtitles = item.get("media"), item.get("thumbnails"), item.get("subtitles")
    if isinstance(media, dict):
        yield from _at(media.get("media_url"), "file")
    for thumbnail in thumbnails if isinstance(thumbnails, list) else ():
        if isinstance(thumbnail, dict):
            yield from _at(thumbnail.get("image_url"), "thumbnail")
    for subtitle in subtitles.values() if isinstance(subtitles, dict) else ():
        if isinstance(subtitle, dict):
            yield from _at(subtitle.get("url"), "file")
    for key, default in _TRANSCRIPT_NAMES.items():
        yield from _at(item.get(f"{key}_url"), "file")
        text = item.get(key)
        # `/v1/media/silence` and others answer data under other keys: data is kept in the record, not as a file.
        if "srt" in item and "segments" in item and text:
            whole = text if isinstance(text, str) else _written(text)
            yield Output(url=None, role="file", name=default, text=_clean(whole))


def _at(url: Json, role: Role, name: str | None = None, seconds: float | None = None) -> Iterator[Output]:
    if isinstance(url, str) and url.strip().lower().startswith(("http://", "https://")):
        plain = _clean(url.strip())
        yield Output(url=plain, role=role, name=_clean(name) if name else name_in(plain), seconds=seconds)


def name_in(url: str) -> str:
    """The file name at the end of a URL's path, unquoted; empty where there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return _clean(unquote(path).rsplit("/", 1)[-1])


def _error(envelope: Mapping[str, Json]) -> str:
    """The reason a person can read: ffmpeg puts it on the *last* lines, and quotes source URLs with their signatures."""
    message = envelope.get("message") or envelope.get("error")
    if isinstance(message, dict):
        # What a script printed may be longer than what is kept: the reason goes last.
        parts = [message.get(key) for key in ("stdout", "stderr", "message", "error")]
        message = "\n".join(_clean(part).strip() for part in parts if isinstance(part, str) and part.strip()) or message
    text = _clean(message if isinstance(message, str) else _written(message) if message else "").strip()
    text = redact(text) or f"NCA reported a failure (code {_word(envelope.get('code'))}) without a reason"
    return text if len(text) <= ERROR_CHARS else "…" + text[-ERROR_CHARS + 1 :]


def redact(text: str) -> str:
    """The text with the query and the user name of every URL taken out, since they carry signatures and passwords."""
    return _URL.sub(lambda url: f"{url[1]}{url[2]}{url[3] + '…' if url[3] else ''}", text)


def _word(value: Json) -> str | None:
    """An identifier as text: NCA sends strings, numbers and null for the same key. What is too long for a key is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    word = _clean(str(value)).strip()
    return word if 0 < len(word) <= WORD_CHARS else None


def _written(value: Json) -> str:
    """The value as JSON; empty where it is nested deeper than can be written, which nothing NCA makes is."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _seconds(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _clean(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and no store can encode."""
    return text.encode("utf-8", "replace").decode("utf-8")
