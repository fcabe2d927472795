"""A job's files in NCA's bucket: under which names to look for them, and the callback that NCA would have sent of them.

The names are those of build 209 (facts: "`response` on success"); all but the uploads' and the downloads' begin with the job's
id. Those two are named by whoever asked, not unique, and never guessed.
"""

import json
import re
from collections.abc import Sequence

_THUMBNAIL = "_thumbnail.jpg"
# The likeliest first: each is asked for by itself where the bucket cannot be listed.
_FIRST_NAMES = (
    *("_output_0.mp4", ".mp4", "_output.mp4", "_captioned.mp4", "_split_1.mp4", ".mp3", "_output_0.mp3"),
    *("_output_0.mov", "_output_0.webm", "_output_0.mkv", "_output_0.wav", "_output_0.m4a", ".mov", ".webm", ".mkv", ".wav"),
    *("_output.mov", "_split_1.mov", ".ass", ".txt", ".srt", ".json", _THUMBNAIL),
)
_NUMBERED = re.compile(r"^(.*_(?:output|split)_)(\d+)(\.\w+)$")
_TEXTS = (".txt", ".srt", ".json")
_DIGITS = re.compile(r"(\d+)")


def first_names(job_id: str) -> tuple[str, ...]:
    """The names under which the first file of a job may lie."""
    return tuple(f"{job_id}{ending}" for ending in _FIRST_NAMES)


def next_names(name: str) -> tuple[str, ...]:
    """Where the next file lies if this one is there: the next number, and the other texts of a transcription."""
    if numbered := _NUMBERED.match(name):
        return (f"{numbered[1]}{int(numbered[2]) + 1}{numbered[3]}",)
    stem, dot, ending = name.rpartition(".")
    texts = [one for one in _TEXTS if f"{dot}{ending}" in _TEXTS and one != f"{dot}{ending}"]
    return tuple(f"{stem}{one}" for one in texts)


def of_job(job_id: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of these names that are the job's, in the order of its outputs; a longer id that begins the same is another's."""
    own = [name for name in names if name.startswith(job_id) and name[len(job_id) : len(job_id) + 1] in ("_", ".")]
    return tuple(sorted(own, key=lambda name: [int(part) if part.isdigit() else part for part in _DIGITS.split(name)]))


def files(names: Sequence[str]) -> tuple[str, ...]:
    """The names without the thumbnails that belong to another of them."""
    stems = {name.rpartition(".")[0] for name in names}
    return tuple(name for name in names if not (name.endswith(_THUMBNAIL) and name.removesuffix(_THUMBNAIL) in stems))


def report(job_id: str, urls: Sequence[str], *, record_id: str | None) -> bytes:
    """The body of the callback NCA would have sent for these files."""
    thumbnails = {url.removesuffix(_THUMBNAIL): url for url in urls if url.endswith(_THUMBNAIL)}
    response = []
    for url in files(urls):
        one = {"file_url": url}
        if (picture := thumbnails.get(url.rpartition(".")[0])) is not None:
            one["thumbnail_url"] = picture
        response.append(one)
    return json.dumps({"code": 200, "id": record_id, "job_id": job_id, "message": "success", "response": response}).encode()
