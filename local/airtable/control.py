"""`/_control`: faults, journal, switches and the clock over HTTP, for those who use the stand-in from outside."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta

from flask import Blueprint, Response, request

from local.airtable.answers import answer, body_json
from local.airtable.clock import stamp
from local.airtable.errors import ApiError
from local.airtable.faults import Fault, Kind
from local.airtable.served import Served

_WHAT = {
    "GET /_control/journal": "every request so far, the writes among them, the busiest second; ?table=Jobs for one table",
    "DELETE /_control/journal": "forget them",
    "GET /_control/faults": "what waits for a request",
    "POST /_control/faults": '{"kind": "drop", "times": 1, "method": "PATCH", "table": "Jobs"}; times null until DELETE',
    "DELETE /_control/faults": "all is well again",
    "PUT /_control/down": "true: Airtable is not to be reached at all; false: it is",
    "PATCH /_control/rate": '{"on": true, "quota_used_up": false}',
    "GET or PATCH /_control/switches": "what Airtable does not document; times as ISO 8601, durations in seconds",
    "POST /_control/clock": '{"advance_s": 7200}',
    "kinds of faults": ", ".join(Kind),
}


def routes(served: Served) -> Blueprint:
    """Neither token nor limits, and nothing here is in the journal."""
    control = Blueprint("control", __name__, url_prefix="/_control")

    @control.get("/")
    def what() -> Response:
        return answer(_WHAT)

    _journal(control, served)
    _faults(control, served)
    _settings(control, served)
    return control


def _journal(control: Blueprint, served: Served) -> None:
    @control.get("/journal")
    def journal() -> Response:
        entries = served.journal.all(request.args.get("table"))
        shown = [{**asdict(entry), "at": stamp(entry.at), "is_write": entry.is_write} for entry in entries]
        return answer({"requests": shown, "busiest_second": served.journal.busiest_second()})

    @control.delete("/journal")
    def forget() -> Response:
        served.journal.clear()
        return answer({})


def _faults(control: Blueprint, served: Served) -> None:
    @control.get("/faults")
    def waiting() -> Response:
        return answer({"down": served.faults.down, "waiting": [asdict(fault) for fault in served.faults.waiting()]})

    @control.post("/faults")
    def add() -> Response:
        served.faults.put(_fault(_object()))
        return waiting()

    @control.delete("/faults")
    def clear() -> Response:
        served.faults.clear()
        return waiting()

    @control.put("/down")
    def down() -> Response:
        served.faults.down = body_json() is True
        return waiting()


def _settings(control: Blueprint, served: Served) -> None:
    @control.patch("/rate")
    def rate() -> Response:
        asked = _object()
        served.rate.on = bool(asked.get("on", served.rate.on))
        served.rate.quota_used_up = bool(asked.get("quota_used_up", served.rate.quota_used_up))
        return answer({"on": served.rate.on, "quota_used_up": served.rate.quota_used_up})

    @control.get("/switches")
    def switches() -> Response:
        return answer(json.loads(json.dumps(asdict(served.switches), default=_plain)))

    @control.patch("/switches")
    def switch() -> Response:
        for name, value in _object().items():
            if name not in {one.name for one in fields(served.switches)}:
                raise _wrong(f"there is no switch {name}")
            setattr(served.switches, name, _switch(name, value))
        return switches()

    @control.post("/clock")
    def clock() -> Response:
        by = _object().get("advance_s")
        if not isinstance(by, int | float):
            raise _wrong("advance_s is a number of seconds")
        served.clock.advance(timedelta(seconds=by))
        return answer({"now": stamp(served.clock())})


def _fault(asked: Mapping[str, object]) -> Fault:
    match [asked.get(one.name, one.default) for one in fields(Fault)]:
        case str(kind), int() | None as times, str(method), str(
            table
        ), int() | float() as delay_s, int() | None as retry_after_s:
            if kind in tuple(Kind) and asked.keys() <= {one.name for one in fields(Fault)}:
                return Fault(Kind(kind), times, method, table, delay_s, retry_after_s)
    raise _wrong(f"give kind, times, method, table, delay_s, retry_after_s; kinds are {', '.join(Kind)}")


def _switch(name: str, value: object) -> object:
    if name == "iterator_ttl" and isinstance(value, int | float):
        return timedelta(seconds=value)
    if name == "frozen_now" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _object() -> Mapping[str, object]:
    body = body_json()
    if not isinstance(body, Mapping):
        raise _wrong("give an object")
    return body


def _wrong(message: str) -> ApiError:
    return ApiError(422, "CONTROL", message)
