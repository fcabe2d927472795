"""Persist: unwrap an SQS batch, persist it, answer which messages must come again."""

import os
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from reelkeeper.adapters.clients import sqs
from reelkeeper.adapters.queue import Queue
from reelkeeper.domain.errors import RetryLater
from reelkeeper.services.batch import Delivery
from reelkeeper.services.outside import Outside
from reelkeeper.services.persist import persist
from reelkeeper.settings import ConfigurationError, Settings, queue_url
from reelkeeper.telemetry import logger, one_run

# While a setting is wrong every message waits this long, and nothing is lost, however long that takes.
_UNTIL_CONFIGURED = timedelta(minutes=5)
# The queue takes a message for a dead letter after twelve receives (template.yaml).
_RECEIVES_LEFT = 8
# What is left to do when the last copy has stopped: Airtable is told, and waits thirty seconds if it was asked too often.
_AFTER_THE_COPIES = timedelta(seconds=60)


@one_run()
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    deliveries = [_delivery(record) for record in event["Records"]]
    try:
        outside = _outside()
    except (ConfigurationError, RetryLater) as error:
        logger.error("persist cannot work as it is configured", reason=str(error))
        again = _wait(deliveries)
    else:
        again = persist(
            deliveries,
            outside=outside,
            clock=_now,
            chance=random.random,
            owner=context.aws_request_id,
            ends_at=_now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _AFTER_THE_COPIES,
        )
        if outside.outdated:
            _outside.cache_clear()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _delivery(record: dict[str, Any]) -> Delivery:
    return Delivery(
        message_id=record["messageId"],
        receipt=record["receiptHandle"],
        text=record["body"],
        receives=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def _wait(deliveries: list[Delivery]) -> tuple[str, ...]:
    """Let everything come back in five minutes; returns the ids of what does so by itself."""
    again = []
    try:
        queue = Queue(sqs(), queue_url(os.environ))
        for delivery in deliveries:
            if delivery.receives < _RECEIVES_LEFT:
                again.append(delivery.message_id)
                queue.hide(delivery.receipt, delay=_UNTIL_CONFIGURED)
            else:
                # Sent anew, its receives are counted from the beginning: no wait is long enough to make it a dead letter.
                queue.send(delivery.text, delay=_UNTIL_CONFIGURED)
    except (ConfigurationError, RetryLater) as error:
        logger.error("messages wait for the queue's own time", reason=str(error))
        return tuple(delivery.message_id for delivery in deliveries)
    return tuple(again)


@cache
def _outside() -> Outside:
    return Outside.from_settings(Settings.read(os.environ))


def _now() -> datetime:
    return datetime.now(UTC)
