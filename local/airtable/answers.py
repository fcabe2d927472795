"""Answers and what they are made from: bodies, tables and records as the API's JSON has them."""

import json
from collections.abc import Mapping, Sequence

from flask import Response, request

from local.airtable import errors
from local.airtable.clock import stamp
from local.airtable.record import Record
from local.airtable.schema import Table
from local.airtable.served import Served
from local.airtable.writing import Order, Written


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, in the order in which it was made."""
    return Response(json.dumps(body), status, headers, content_type="application/json; charset=utf-8")


def body_json() -> object:
    """What the client sent; raises ApiError 400 when it is not JSON."""
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise errors.not_json() from error


def record_of(served: Served, table: Table, record_id: str) -> Record:
    """The record of this id; raises ApiError 404 in the shape the switches ask for."""
    record = served.base.record(table, record_id)
    if record is None:
        raise errors.not_found(as_object=served.switches.not_found_as_object)
    return record


def record_json(served: Served, table: Table, record: Record, *, by_id: bool, fields: Sequence[str] = ()) -> dict[str, object]:
    """One record, with these fields or all."""
    wanted = [field for field in table.fields if not fields or field.name in fields or field.id in fields]
    names = {field.id if by_id else field.name for field in wanted}
    shown = served.base.shown(table, record, by_id=by_id)
    chosen = {name: value for name, value in shown.items() if name in names}
    return {"id": record.id, "createdTime": stamp(record.created_at), "fields": chosen}


def written(served: Served, table: Table, order: Order, result: Written) -> Response:
    """What a write answers: 200 even where attachments were refused, which only `details` tells."""
    asked = body_json()
    by_id = isinstance(asked, Mapping) and asked.get("returnFieldsByFieldId") is True
    records = [record_json(served, table, record, by_id=by_id) for record in result.records]
    body: dict[str, object] = records[0] if order.single else {"records": records}
    if order.merge_on:
        updated = [record.id for record in result.records if record.id not in result.created]
        body = {**body, "createdRecords": list(result.created), "updatedRecords": updated}
    if result.reasons:
        body = {**body, "details": {"message": "partialSuccess", "reasons": list(result.reasons)}}
    return answer(body)
