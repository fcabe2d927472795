"""The webhook: unwrap an HTTP API event, receive it, wrap the answer."""

import base64
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from reelkeeper.adapters import clients
from reelkeeper.adapters.inbox import Inbox
from reelkeeper.adapters.queue import Queue
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.domain.trace import trace_id
from reelkeeper.metric import Metric
from reelkeeper.services.receive import Answer, Request, Way, receive
from reelkeeper.services.tokens import Tokens
from reelkeeper.settings import ConfigurationError, ReceiveSettings, trace_of_this_run
from reelkeeper.telemetry import logger, one_run, record

# What each way of an answer counts as.
_COUNTS: Mapping[Way, tuple[Metric, ...]] = {
    "queued": (Metric.WEBHOOK_RECEIVED_TOTAL,),
    "claimed": (Metric.WEBHOOK_RECEIVED_TOTAL,),
    "inboxed": (Metric.WEBHOOK_RECEIVED_TOTAL, Metric.WEBHOOK_INBOXED_TOTAL),
    "refused": (Metric.WEBHOOK_REJECTED_TOTAL,),
    "looked": (Metric.WEBHOOK_LOOKED_TOTAL,),
    "unstored": (Metric.WEBHOOK_UNSTORED_TOTAL,),
}


@one_run()
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    request = _request(event)
    try:
        tokens, queue, inbox = _collaborators()
    except ConfigurationError as error:
        answer = Answer(503, "the webhook is not configured; its log says what is missing", "unstored", reason=str(error))
    else:
        answer = receive(request, tokens=tokens, queue=queue, inbox=inbox, at=_now())
    _tell(request, answer)
    return {
        "statusCode": answer.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"message": answer.text, "id": answer.message_id}),
    }


def _request(event: dict[str, Any]) -> Request:
    body = event.get("body") or ""
    headers = event.get("headers") or {}
    return Request(
        method=event["requestContext"]["http"]["method"],
        token=(event.get("pathParameters") or {}).get("token", ""),
        # API Gateway's own parsing joins repeated keys with commas; the raw string says what was sent.
        query=dict(reversed(parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True))),
        # Half of a surrogate pair is no reason to turn a callback away.
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass"),
        content_type=headers.get("content-type"),
        trace=trace_of_this_run(os.environ) or headers.get("x-amzn-trace-id"),
    )


def _tell(request: Request, answer: Answer) -> None:
    """One line and one count for each request; never the token, never the body."""
    for metric in _COUNTS[answer.way]:
        record(metric)
    # A stranger may not fill the log: an id is 17 characters, and ours to know only with the token.
    shown = request.query if answer.way != "refused" else {}
    log = logger.info if answer.status < 500 and answer.way != "inboxed" else logger.error
    log(
        "callback received",
        extra={
            "way": answer.way,
            "status": answer.status,
            "message_id": answer.message_id,
            "record_id": shown.get("job_id"),
            "origin": "webhook",
            "trace_id": trace_id(request.trace),
            "operation": shown.get("operation"),
            "bytes": len(request.body),
            "reason": answer.reason,
        },
    )


@cache
def _collaborators() -> tuple[Tokens, Queue, Inbox]:
    settings = ReceiveSettings.read(os.environ)
    secrets = clients.secrets_manager(clients.IMPATIENT)
    return (
        Tokens(lambda: read_secret(secrets, settings.token_secret), clock=_now),
        Queue(clients.sqs(clients.IMPATIENT), settings.queue_url),
        Inbox(lambda: clients.s3(clients.IMPATIENT), settings.bucket),
    )


def _now() -> datetime:
    return datetime.now(UTC)
