"""The toolkit's HTTP face: its API behind `x-api-key`, its bucket for anyone, and `/_control` for whoever plays with it."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from flask import Blueprint, Flask, Response, request, send_file
from werkzeug.exceptions import HTTPException

from local.nca import moods
from local.nca.moods import page
from local.nca.operations import ENDPOINTS
from local.nca.storage import BUCKET, LIST_KEY, PAGE, Storage, Stored
from local.nca.switches import Fault, Switchboard
from local.nca.toolkit import STATUS, STATUSES, Toolkit

_CLOUDFLARE = "<!DOCTYPE html><html><head><title>524: A timeout occurred</title></head><body>error code: 524</body></html>"


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the face; `seen` is told the path and body of each API call."""

    toolkit: Toolkit
    storage: Storage
    switches: Switchboard
    api_key: str
    seen: Callable[[str, Any], None]


def make(behind: Behind) -> Flask:
    """The whole face as one app."""
    app = Flask("nca")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.register_error_handler(HTTPException, lambda error: page(error.code or 500, error.name))
    for part in (_submissions(behind), _statuses(behind), _bucket(behind), _control(behind)):
        app.register_blueprint(part)
    return app


def _submissions(behind: Behind) -> Blueprint:
    part = Blueprint("submissions", __name__)
    part.before_request(lambda: _refusal(behind))

    def submit() -> Any:
        payload = _payload(behind)
        missing = next((name for name in ENDPOINTS[request.path].demands if name not in payload), None)
        if missing is not None:
            return {"message": f"Invalid payload: '{missing}' is a required property"}, 400
        if not isinstance(payload.get("id", ""), str):
            return {"message": f"Invalid payload: {payload['id']} is not of type 'string'"}, 400
        status, envelope = behind.toolkit.take(request.path, payload)
        if status == 202 and behind.switches.draw(Fault.TIMEOUT_524, payload.get("id")):
            return _CLOUDFLARE, 524
        return _json(envelope, status)

    for path in ENDPOINTS:
        part.add_url_rule(path, endpoint=path.strip("/").replace("/", "-"), view_func=submit, methods=["POST"])
    return part


def _statuses(behind: Behind) -> Blueprint:
    part = Blueprint("statuses", __name__)
    part.before_request(lambda: moods.instead(behind.switches) or _refusal(behind))
    part.after_request(lambda answer: moods.cut(behind.switches, answer))

    @part.post(STATUS)
    def status() -> Any:
        payload = _payload(behind)
        if "job_id" not in payload:
            return {"message": "Invalid payload: 'job_id' is a required property"}, 400
        code, envelope = behind.toolkit.status(payload)
        return _json(moods.odd(behind.switches, envelope), code)

    @part.post(STATUSES)
    def statuses() -> Any:
        code, envelope = behind.toolkit.statuses(_payload(behind))
        return _json(envelope, code)

    return part


def _bucket(behind: Behind) -> Blueprint:
    part = Blueprint("bucket", __name__)

    @part.get(f"/storage/{BUCKET}")
    def names() -> Any:
        """ListObjectsV2, for whoever has the key; the toolkit's own bucket is public to read, never to list."""
        if f"Credential={LIST_KEY}/" not in request.headers.get("Authorization", ""):
            return Response("<Error><Code>AccessDenied</Code></Error>", status=403, mimetype="application/xml")
        return Response(_listing(behind.storage, request.args.get("prefix", "")), mimetype="application/xml")

    @part.get(f"/storage/{BUCKET}/<path:name>")
    def read(name: str) -> Any:
        given = {word: request.args.get(word.capitalize(), "") for word in ("signature", "expires")}
        found = behind.storage.read(name, **given)
        if not isinstance(found, Stored):
            code, status = ("NoSuchKey", 404) if found == "deleted" else ("AccessDenied", 403)
            text = f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'
            return Response(text, status=status, mimetype="application/xml")
        if found.html:
            return Response(PAGE, mimetype="text/html")
        if (found.cuts or found.stalls_s) and request.method == "GET":
            behind.storage.heal(name)
            return _half(found)
        # The toolkit names no type on upload, so that S3 has only this to say.
        written = found.written_at
        return send_file(found.path, mimetype="binary/octet-stream", conditional=True, etag=True, last_modified=written)

    return part


def _control(behind: Behind) -> Blueprint:
    part = Blueprint("control", __name__, url_prefix="/_control")

    @part.get("/")
    def shown() -> Any:
        return {"faults": list(Fault), "on": behind.switches.shown(), "objects": list(behind.storage.names())}

    @part.post("/faults")
    def turn_on() -> Any:
        wanted = request.get_json()
        behind.switches.on(Fault(wanted.pop("fault")), **wanted)
        return {"on": behind.switches.shown()}

    @part.delete("/faults")
    def turn_off() -> Any:
        behind.switches.off()
        return {"on": []}

    @part.post("/restart")
    def restart() -> Any:
        behind.toolkit.restart(keep_files=bool((request.get_json(silent=True) or {}).get("keep_files", True)))
        return {"restarted": True}

    @part.put("/inputs/<path:name>")
    def put_input(name: str) -> Any:
        return {"url": behind.storage.put_bytes(f"inputs/{name}", request.get_data())}

    @part.delete("/objects/<path:name>")
    def delete(name: str) -> Any:
        behind.storage.delete(name)
        return {"deleted": name}

    return part


def _refusal(behind: Behind) -> Any:
    if behind.switches.draw(Fault.DISK_FULL):
        return page(500, "Internal Server Error")
    if request.headers.get("x-api-key") != behind.api_key:
        return {"message": "Unauthorized"}, 401
    return None


def _payload(behind: Behind) -> dict[str, Any]:
    """The JSON body; a status call may come without one."""
    payload = request.get_json(silent=request.path == STATUSES)
    payload = payload if isinstance(payload, dict) else {}
    behind.seen(request.path, payload)
    return payload


def _json(envelope: dict[str, Any], status: int) -> Response:
    # In Flask's own order; a NaN goes out as it is, which is not JSON.
    return Response(json.dumps(envelope, sort_keys=True), status=status, mimetype="application/json")


def _listing(storage: Storage, prefix: str) -> str:
    rows = []
    for name in storage.names():
        found = storage.read(name)
        if name.startswith(prefix) and isinstance(found, Stored):
            written = datetime.fromtimestamp(found.written_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            size = found.path.stat().st_size
            rows.append(
                f"<Contents><Key>{escape(name)}</Key><LastModified>{written}</LastModified><Size>{size}</Size></Contents>"
            )
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><KeyCount>{len(rows)}</KeyCount><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
    )


def _half(found: Stored) -> Response:
    """The whole length announced, half of it sent; then nothing for a while, or never."""
    content = found.path.read_bytes()

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        if not found.stalls_s:
            raise ConnectionAbortedError
        time.sleep(found.stalls_s)
        yield content[len(content) // 2 :]

    headers = {"Content-Length": str(len(content))}
    return Response(half(), headers=headers, mimetype="binary/octet-stream", direct_passthrough=True)
