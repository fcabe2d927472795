"""NCA's endpoints: what each demands, what it makes of its inputs, and how it answers (facts-nca.md, "response on success")."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import requests

from local.nca import media_work
from local.nca.media_work import Failed
from local.nca.storage import BUCKET, Storage

Payload: TypeAlias = Mapping[str, Any]


class Work:
    """One job at the bench: its payload, a folder that goes away with it, and the bucket its files go to."""

    def __init__(self, job_id: str, payload: Payload, folder: Path, storage: Storage, *, stored: bool = True) -> None:
        self.job_id = job_id
        self.payload = payload
        self.folder = folder
        self._storage = storage
        self._stored = stored
        # The names of what was uploaded, in order.
        self.uploaded: list[str] = []

    def fetch(self, url: str) -> Path:
        """Download an input as the toolkit does, without a timeout; raises Failed with what requests says."""
        name = unquote(urlsplit(url).path.rsplit("/", 1)[-1]) or "input"
        path = self.folder / f"in-{len(list(self.folder.iterdir()))}-{name}"
        try:
            with requests.get(url, stream=True) as answer:
                answer.raise_for_status()
                with path.open("wb") as file:
                    for chunk in answer.iter_content(65_536):
                        file.write(chunk)
        except requests.RequestException as error:
            raise Failed(str(error)) from error
        return path

    def new(self, name: str) -> Path:
        """Where to make a file."""
        return self.folder / name

    def keep(self, path: Path, *, public: bool = True) -> str:
        """Upload a file under its own name and return its address."""
        self.uploaded.append(path.name)
        if not self._stored:
            return self._storage.url(path.name)
        return self._storage.put(path.name, path, public=public)


def compose(work: Work) -> list[dict[str, Any]]:
    inputs = [work.fetch(one["file_url"]) for one in work.payload["inputs"]]
    asked = work.payload.get("metadata") or {}
    made = []
    for number, output in enumerate(work.payload["outputs"]):
        options = output.get("options", [])
        path = work.new(f"{work.job_id}_output_{number}.{media_work.extension(options)}")
        media_work.compose(inputs, options, path)
        one: dict[str, Any] = {"file_url": work.keep(path)}
        about = media_work.describe(path)
        one |= {name: about[name] for name in ("filesize", "duration", "bitrate") if asked.get(name)}
        if asked.get("thumbnail") and about["has_video"]:
            picture = work.new(f"{work.job_id}_output_{number}_thumbnail.jpg")
            media_work.still(path, picture, second=0)
            one["thumbnail_url"] = work.keep(picture)
        made.append(one)
    return made


def concatenate(work: Work) -> str:
    inputs = [work.fetch(one["video_url"]) for one in work.payload["video_urls"]]
    path = work.new(f"{work.job_id}.mp4")
    media_work.join(inputs, path)
    return work.keep(path)


def cut(work: Work) -> str:
    source = work.fetch(work.payload["video_url"])
    path = work.new(f"{work.job_id}_output.mp4")
    media_work.cut(source, path, start=_seconds(work.payload.get("start", 0)), end=_seconds(work.payload.get("end", 1e9)))
    return work.keep(path)


def split(work: Work) -> list[dict[str, str]]:
    source = work.fetch(work.payload["video_url"])
    made: list[dict[str, str]] = []
    for part in work.payload["splits"]:
        start, end = _seconds(part["start"]), _seconds(part["end"])
        # Bad ranges are passed over in silence.
        if end <= start:
            continue
        path = work.new(f"{work.job_id}_split_{len(made) + 1}.mp4")
        media_work.cut(source, path, start=start, end=end)
        made.append({"file_url": work.keep(path)})
    if not made:
        raise Failed("No valid segments to process")
    return made


def thumbnail(work: Work) -> str:
    path = work.new(f"{work.job_id}_thumbnail.jpg")
    media_work.still(work.fetch(work.payload["video_url"]), path, second=float(work.payload.get("second", 0)))
    return work.keep(path)


def image_to_video(work: Work) -> str:
    source = work.fetch(work.payload["image_url"])
    path = work.new(f"{work.job_id}.mp4")
    length, rate = float(work.payload.get("length", 5)), int(work.payload.get("frame_rate", 30))
    media_work.film(source, path, seconds=length, fps=rate)
    return work.keep(path)


def upload(work: Work) -> dict[str, Any]:
    source = work.fetch(work.payload["file_url"])
    public = bool(work.payload.get("public", False))
    path = source.rename(work.new(work.payload.get("filename") or source.name.split("-", 2)[-1]))
    return {"file_url": work.keep(path, public=public), "filename": path.name, "bucket": BUCKET, "public": public}


def metadata(work: Work) -> dict[str, Any]:
    return media_work.describe(work.fetch(work.payload["media_url"]))


def execute(work: Work) -> dict[str, Any]:
    """Run a body of Python and answer with what it returns; the toolkit wraps it into a function in a process of its own."""
    body = textwrap.indent(str(work.payload["code"]), "    ")
    program = f"import json\ndef run():\n{body}\nprint(json.dumps(run()))"
    command = [sys.executable, "-I", "-c", program]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=int(work.payload.get("timeout", 30)), check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed("Execution timed out") from None
    if ended.returncode:
        raise Failed(ended.stderr.strip())
    *printed, result = ended.stdout.splitlines()
    return {"result": json.loads(result), "stdout": "\n".join(printed), "stderr": ended.stderr, "exit_code": 0}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: the keys it demands, and whether it answers at once and never calls back."""

    run: Callable[[Work], Any]
    demands: tuple[str, ...]
    at_once: bool = False


ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/ffmpeg/compose": Endpoint(compose, ("inputs", "outputs")),
    "/v1/video/concatenate": Endpoint(concatenate, ("video_urls",)),
    "/v1/video/cut": Endpoint(cut, ("video_url",)),
    "/v1/video/trim": Endpoint(cut, ("video_url",)),
    "/v1/video/split": Endpoint(split, ("video_url", "splits")),
    "/v1/video/thumbnail": Endpoint(thumbnail, ("video_url",)),
    "/v1/image/convert/video": Endpoint(image_to_video, ("image_url",)),
    "/v1/s3/upload": Endpoint(upload, ("file_url",)),
    "/v1/code/execute/python": Endpoint(execute, ("code",)),
    "/v1/media/metadata": Endpoint(metadata, ("media_url",), at_once=True),
}


def _seconds(text: object) -> float:
    """Seconds, given as a number or as `hh:mm:ss.mmm`."""
    total = 0.0
    for part in str(text).split(":"):
        total = total * 60 + float(part)
    return total
