"""What fell beside the queue is put back on it: what the inbox holds, and letters that died of what may have passed since."""

import hashlib
from contextlib import suppress
from datetime import timedelta

from reelkeeper.adapters.inbox import Waiting
from reelkeeper.adapters.queue import Letter
from reelkeeper.domain.callback import parse
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.job import Job, note
from reelkeeper.domain.message import QUEUE_LIMIT_BYTES, Message, NotAMessage, decode, encode, point
from reelkeeper.domain.receiving import job_key
from reelkeeper.services.round import Round
from reelkeeper.telemetry import logger

# Too large for the queue, it is there by a claim check, taken in seconds; what lies here this long has none, or lost it.
_CLAIM_PATIENCE = timedelta(minutes=10)
# A letter goes back this often, each time after four times as long: what killed it may be mended by then.
RETURNS = 3
_FIRST_RETURN = timedelta(minutes=15)
_LETTERS_A_SWEEP = 50
_HIDDEN = timedelta(minutes=5)
_REMEMBERED = timedelta(days=30)


def empty_inbox(sweep: Round) -> int:
    """Put onto the queue what it could not take when it came; returns how many messages."""
    taken = 0
    for one in sweep.outside.inbox.waiting():
        if sweep.over:
            break
        try:
            taken += _take(one, sweep)
        except (Gone, NotAMessage) as error:
            # Persist was quicker, or somebody put a file of their own there.
            logger.warning("nothing to take from the inbox", inbox_key=one.key, reason=str(error))
    return taken


def _take(one: Waiting, sweep: Round) -> int:
    outside = sweep.outside
    if one.size <= QUEUE_LIMIT_BYTES:
        # It lies here because the queue was down when it came: nobody has heard of it yet.
        outside.queue.send(encode(outside.inbox.get(one.key)))
        outside.inbox.delete(one.key)
        return 1
    if one.since > sweep.clock() - _CLAIM_PATIENCE:
        return 0
    outside.queue.send(point(one.key))
    return 1


def revive(sweep: Round) -> int:
    """Give dead letters another try, a few times each; what is no message of ours, or dies each time, stays for a person."""
    revived = 0
    left: list[Letter] = []
    try:
        for letter in sweep.outside.dead_letters.take(limit=_LETTERS_A_SWEEP, hidden=_HIDDEN):
            if sweep.over or not _revived(letter, sweep):
                left.append(letter)
            else:
                revived += 1
    finally:
        # A person who looks for them must not find them hidden.
        with suppress(RetryLater):
            sweep.outside.dead_letters.put_back(left)
    return revived


def _revived(letter: Letter, sweep: Round) -> bool:
    at = sweep.clock()
    try:
        message = decode(letter.text)
    except NotAMessage:
        return False
    what = f"letter {hashlib.sha256(letter.text.encode()).hexdigest()[:40]}"
    before = sweep.outside.notebook.counted(what)
    if at - letter.sent_at < _FIRST_RETURN * 4**before:
        return False
    if sweep.outside.notebook.count(what, limit=RETURNS, until=at + _REMEMBERED) is None:
        return False
    sweep.outside.queue.send(letter.text)
    sweep.outside.dead_letters.discard(letter)
    reason = letter.reason or "its worker crashed"
    logger.warning("dead letter sent in again", message_id=letter.message_id, reason=reason, returns=before + 1)
    if isinstance(message, Message):
        _note(message, f"a message that had died ({reason}) was sent in again, {before + 1} of {RETURNS}", sweep)
    return True


def _note(message: Message, what: str, sweep: Round) -> None:
    key = job_key(parse(message.body, message.query), message.body)

    def decide(known: Job | None) -> Job:
        if known is None:
            raise Gone("nothing is known of this job yet")
        return note(known, at=sweep.clock(), what=what)

    with suppress(Gone, RetryLater):
        sweep.outside.ledger.change(key, decide)
