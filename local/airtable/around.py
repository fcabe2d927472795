"""What every request of the API meets before and after its work: faults, token, limits, journal."""

import socket
import time

from flask import Blueprint, Response, g, request

from local.airtable import errors
from local.airtable.answers import answer, body_json
from local.airtable.errors import ApiError
from local.airtable.faults import Fault, Kind
from local.airtable.journal import Entry
from local.airtable.schema import Table
from local.airtable.served import Served

# https://support.airtable.com, "URL length limitations"
MOST_URL_CHARACTERS = 16_000
_PROXY_PAGE = "<!doctype html><title>Please wait</title><h1>The proxy is checking your browser</h1>"


def surround(api: Blueprint, served: Served) -> None:
    """Let each request of this blueprint meet the fault that waits for it, and write it into the journal."""

    @api.before_request
    def meet() -> Response | None:
        return _meet(served)

    @api.after_request
    def leave(response: Response) -> Response:
        return _leave(served, response)


def _meet(served: Served) -> Response | None:
    # The body is read first: a connection that drops later leaves the client not knowing.
    request.get_data()
    g.at = served.clock()
    g.table = _table_name(served)
    fault = None if served.faults.down else served.faults.take(request.method, g.table)
    g.fault = fault
    g.drop = served.faults.down or (fault is not None and fault.kind is Kind.DROP)
    if g.drop:
        return Response()
    if fault and fault.kind is Kind.PROXY_PAGE:
        return Response(_PROXY_PAGE, content_type="text/html")
    if fault and (refusal := fault.refusal()):
        raise refusal
    return None


def _leave(served: Served, response: Response) -> Response:
    fault: Fault | None = g.fault
    match fault.kind if fault else None:
        case Kind.ERROR_AFTER_SAVING:
            response = answer({"error": {"type": "SERVER_ERROR", "message": "Internal server error"}}, 500)
        case Kind.DROP_AFTER_SAVING:
            g.drop = True
        case Kind.TRUNCATED:
            response.set_data(response.get_data()[: len(response.get_data()) // 2])
        case Kind.SLOW if fault:
            time.sleep(fault.delay_s)
    status = None if g.drop else response.status_code
    served.journal.add(Entry(g.at, request.method, request.path, g.table, _said(), status))
    if g.drop:
        connection: socket.socket = request.environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
    return response


def admit(served: Served, base: str) -> None:
    """Let the request in; raises ApiError 401, 429, 422 or 403."""
    if request.headers.get("Authorization") != f"Bearer {served.token}":
        raise errors.no_token()
    served.rate.admit()
    if len(served.address) + len(request.environ["RAW_URI"]) >= MOST_URL_CHARACTERS:
        raise errors.invalid(f"Invalid request: the URL has {MOST_URL_CHARACTERS} characters or more; POST to listRecords")
    if base != served.base_id:
        raise errors.no_model()


def table_of(served: Served, base: str, name: str) -> Table:
    """The table the request names, once it is let in; raises ApiError as `admit`, or 403."""
    admit(served, base)
    table = served.base.table(name)
    if table is None:
        raise errors.no_model()
    return table


def _table_name(served: Served) -> str:
    arguments = request.view_args or {}
    if "table" in arguments:
        table = served.base.table(arguments["table"])
        return table.name if table else ""
    place = served.base.place_of(arguments.get("record", ""))
    return place[0].name if place else ""


def _said() -> object:
    """What the client said, for the journal: the body, or for those without one the query."""
    if not request.get_data():
        return {key: values[0] if len(values) == 1 else values for key, values in request.args.to_dict(flat=False).items()}
    try:
        return body_json()
    except ApiError:
        return request.get_data(as_text=True)
