"""The routes of Airtable's Web API.

https://airtable.com/developers/web/api/introduction
"""

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from local.airtable import control, errors, files, listing, page, writing
from local.airtable.answers import answer, body_json, record_json, record_of, written
from local.airtable.around import admit, surround, table_of
from local.airtable.errors import ApiError
from local.airtable.listing import Listing
from local.airtable.schema import Table
from local.airtable.served import Served


def create_app(served: Served) -> Flask:
    """The web app of this stand-in."""
    app = Flask("airtable", static_folder=None)
    app.register_blueprint(_api(served))
    app.register_blueprint(files.routes(served))
    app.register_blueprint(control.routes(served))
    app.register_blueprint(page.routes(served))

    @app.errorhandler(ApiError)
    def refuse(error: ApiError) -> Response:
        return answer(error.body(), error.status, error.headers())

    @app.errorhandler(HTTPException)
    def refuse_route(error: HTTPException) -> Response:
        return answer(errors.not_found(as_object=True).body(), 404 if error.code in (404, 405) else error.code or 500)

    return app


def _api(served: Served) -> Blueprint:
    api = Blueprint("api", __name__, url_prefix="/v0")
    surround(api, served)
    _many(api, served)
    _one(api, served)

    @api.get("/meta/bases/<base>/tables")
    def tables(base: str) -> Response:
        admit(served, base)
        if served.switches.without_schema_scope:
            raise errors.no_model()
        return answer({"tables": [table.described() for table in served.base.tables()]})

    return api


def _many(api: Blueprint, served: Served) -> None:
    """Requests about several records of a table."""
    lists = Listing(served.base, clock=served.clock, switches=served.switches)

    @api.get("/<base>/<table>")
    @api.post("/<base>/<table>/listRecords")
    def list_records(base: str, table: str) -> Response:
        found = table_of(served, base, table)
        query = listing.from_url(request.args) if request.method == "GET" else listing.from_json(body_json())
        records = lists.page(found, query)
        shown = [record_json(served, found, one, by_id=query.by_id, fields=query.fields) for one in records.records]
        return answer({"records": shown, **({"offset": records.offset} if records.offset else {})})

    @api.post("/<base>/<table>")
    def create(base: str, table: str) -> Response:
        found = table_of(served, base, table)
        order = writing.read_order(body_json())
        return written(served, found, order, writing.create(served.base, served.ingest, found, order))

    @api.route("/<base>/<table>", methods=["PATCH", "PUT"])
    def update_many(base: str, table: str) -> Response:
        found = table_of(served, base, table)
        order = writing.read_order(body_json(), clear=request.method == "PUT")
        return written(served, found, order, writing.update(served.base, served.ingest, found, order))

    @api.delete("/<base>/<table>")
    def delete_many(base: str, table: str) -> Response:
        found = table_of(served, base, table)
        ids = request.args.getlist("records[]")
        if not 1 <= len(ids) <= writing.MOST_RECORDS:
            raise errors.invalid(f"Invalid request: give 1 to {writing.MOST_RECORDS} records")
        with served.base.lock:
            if missing := [one for one in ids if not served.base.record(found, one)]:
                raise errors.no_row(missing[0])
            return answer({"records": [_deleted(served, found, one) for one in dict.fromkeys(ids)]})


def _one(api: Blueprint, served: Served) -> None:
    """Requests about one record."""

    @api.get("/<base>/<table>/<record>")
    def read(base: str, table: str, record: str) -> Response:
        found = table_of(served, base, table)
        by_id = request.args.get("returnFieldsByFieldId", "") in {"1", "true"}
        return answer(record_json(served, found, record_of(served, found, record), by_id=by_id))

    @api.route("/<base>/<table>/<record>", methods=["PATCH", "PUT"])
    def update(base: str, table: str, record: str) -> Response:
        found = table_of(served, base, table)
        record_of(served, found, record)
        order = writing.read_order(body_json(), record_id=record, clear=request.method == "PUT")
        return written(served, found, order, writing.update(served.base, served.ingest, found, order))

    @api.delete("/<base>/<table>/<record>")
    def delete(base: str, table: str, record: str) -> Response:
        found = table_of(served, base, table)
        with served.base.lock:
            record_of(served, found, record)
            return answer(_deleted(served, found, record))

    @api.post("/<base>/<record>/<field>/uploadAttachment")
    def upload(base: str, record: str, field: str) -> Response:
        admit(served, base)
        with served.base.lock:
            return answer(files.uploaded(served, record, field))


def _deleted(served: Served, table: Table, record_id: str) -> dict[str, object]:
    served.base.delete(table.name, record_id)
    return {"id": record_id, "deleted": True}
