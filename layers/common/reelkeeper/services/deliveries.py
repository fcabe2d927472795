"""A batch's messages: read, let go once the ledger has them, put back for their own time, buried with their reason."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from reelkeeper.domain.callback import parse
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.message import INBOX_PREFIX, NotAMessage, Pointer, decode, encode, point
from reelkeeper.domain.receiving import job_key
from reelkeeper.metric import Metric
from reelkeeper.services.batch import Batch, Delivery, Heard, Step, latest
from reelkeeper.telemetry import logger, record

# A message that makes our own code fail is tried this often, then buried with the reason.
TRIES_OF_POISON = 4


def open_all(batch: Batch, deliveries: Sequence[Delivery]) -> tuple[dict[str, list[Heard]], list[tuple[Delivery, timedelta]]]:
    """What the messages say, by job, and which of them must come again because they cannot be read right now."""
    heard: dict[str, list[Heard]] = {}
    again: list[tuple[Delivery, timedelta]] = []
    for delivery in deliveries:
        try:
            one = _read(batch, delivery)
            if one is not None:
                heard.setdefault(job_key(one.callback, one.message.body), []).append(one)
        except RetryLater as error:
            logger.warning("message cannot be read yet", message_id=delivery.message_id, reason=error.reason)
            again.append((delivery, batch.delay(error, delivery.receives)))
    return heard, again


def _read(batch: Batch, delivery: Delivery) -> Heard | None:
    key = None
    try:
        message = decode(delivery.text)
        if isinstance(message, Pointer):
            key = message.key
            message = batch.outside.inbox.get(key)
    except Gone:
        # Taken out of the inbox once its job was in the ledger: this is a repetition.
        logger.info("message repeated", message_id=delivery.message_id, inbox_key=key)
        return None
    except NotAMessage as error:
        _bury(batch, delivery, str(error))
        return None
    return Heard(delivery, message, parse(message.body, message.query), key)


def let_go(batch: Batch, heard: Sequence[Heard], *, at_once: bool) -> None:
    """Empty the inbox of what the ledger has now; what stays by accident is swept and found to be repeated.

    `at_once` deletes it from the queue, too: else that is the event source's work, which waits for the whole batch.
    """
    for one in heard:
        if one.inbox_key is not None and one.inbox_key.startswith(INBOX_PREFIX):
            with suppress(RetryLater):
                batch.outside.inbox.delete(one.inbox_key)
        if at_once:
            # If it cannot be deleted now it is repeated, and found to be done.
            with suppress(RetryLater):
                batch.outside.queue.delete(one.delivery.receipt)


def send_back(batch: Batch, again: Sequence[tuple[Delivery, timedelta]]) -> tuple[str, ...]:
    """Let each of these messages come back in its own time; returns their ids."""
    for delivery, delay in again:
        # If it cannot be hidden for its own time it comes after the queue's.
        with suppress(RetryLater):
            batch.outside.queue.hide(delivery.receipt, delay=delay)
    return tuple(delivery.message_id for delivery, _ in again)


def once_more(batch: Batch, key: str, heard: Sequence[Heard]) -> str:
    """The message anew; what lay in the inbox leaves it when this run ends, and lies in the ledger since it began."""
    one = latest(heard)
    kept = batch.outside.ledger.message(key) if one.inbox_key is not None else None
    if kept is None:
        return one.delivery.text
    return point(kept.key) if isinstance(kept, Pointer) else encode(kept)


def bury(batch: Batch, heard: Sequence[Heard], reason: str) -> Step:
    """Send the job's messages to the dead letters; what they do not take comes again."""
    try:
        for one in heard:
            _bury(batch, one.delivery, reason)
    except RetryLater as error:
        return Step(again=batch.delay(error, TRIES_OF_POISON))
    return Step()


def _bury(batch: Batch, delivery: Delivery, reason: str) -> None:
    logger.error("message buried", message_id=delivery.message_id, reason=reason)
    batch.outside.dead_letters.bury(delivery.text, reason=reason)
    record(Metric.MESSAGES_BURIED_TOTAL)
