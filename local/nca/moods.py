"""The status routes in their bad moods: every answer they were seen to give, or may give, that is no status."""

import time
from collections.abc import Iterator
from typing import Any

from flask import Response

from local.nca.switches import Fault, Switchboard

_NOBODY = "00000000-0000-0000-0000-000000000000"


def page(code: int, name: str) -> tuple[str, int]:
    """A page of HTML, as Flask and whatever stands before it answer."""
    return f"<!doctype html>\n<html lang=en>\n<title>{code} {name}</title>\n<h1>{name}</h1>\n", code


def instead(switches: Switchboard) -> Any:
    """What is answered instead of a status; None where there will be one, perhaps after a while."""
    if switches.draw(Fault.NO_STATUS):
        return page(404, "Not Found")
    if switches.draw(Fault.STATUS_500):
        return page(500, "Internal Server Error")
    if switches.draw(Fault.STATUS_HTML):
        return page(200, "Waking up")
    if switches.draw(Fault.STATUS_HUGE):
        return Response(_without_end(), mimetype="application/json")
    if hangs := switches.draw(Fault.STATUS_HANGS):
        time.sleep(hangs.seconds)
    return None


def odd(switches: Switchboard, envelope: dict[str, Any]) -> dict[str, Any]:
    """A single answer, with what is not this job's in it."""
    found = envelope["response"]
    if found and switches.draw(Fault.STATUS_ODD):
        return {**envelope, "response": {**found, "job_status": "pondering"}}
    if found and switches.draw(Fault.STATUS_OTHER):
        return {**envelope, "response": {**found, "job_id": _NOBODY}}
    return envelope


def cut(switches: Switchboard, answer: Response) -> Response:
    """Half of an answer."""
    if answer.status_code == 200 and answer.is_json and switches.draw(Fault.STATUS_CUT):
        whole = answer.get_data()
        answer.set_data(whole[: len(whole) // 2])
    return answer


def _without_end() -> Iterator[bytes]:
    yield b'{"code": 200, "response": {'
    while True:
        yield b'"00000000-0000-0000-0000-000000000000": "running", ' * 2_000
