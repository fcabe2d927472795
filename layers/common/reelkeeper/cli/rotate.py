"""`reelkeeper rotate`: another token for the webhook, or other keys, without a callback turned away or a job failed."""

import secrets
import string
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from getpass import getpass
from typing import Literal

from reelkeeper.adapters.register import Register
from reelkeeper.adapters.secret_changes import change_secret
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.cli.acting import decided
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.jobs import table
from reelkeeper.cli.keys import KEYS, Keys
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.ping import PING
from reelkeeper.services.tokens import READ_AGAIN_AFTER

# 43 letters and digits carry 256 bits, as the template's own.
_LENGTH, _SIGNS = 43, string.ascii_letters + string.digits
_SHOWN = 20


def rotate(
    what: Literal["webhook-token", "airtable", "nca", "nca-bucket", "storage", "sentry"],
    /,
    *,
    finish: bool = False,
    wait: float = READ_AGAIN_AFTER.total_seconds(),
    dry_run: bool = False,
    yes: bool = False,
    place: Here,
) -> int:
    """Give the webhook another token, or Reelkeeper other keys.

    Parameters
    ----------
    what
        webhook-token: a new one is made, and the present one stays valid beside it. airtable, nca, nca-bucket, storage,
        sentry: the new key is asked for (or read from a pipe, a line each), tried, and put into the secret.
    finish
        With webhook-token: the earlier token is valid no more.
    wait
        With webhook-token: how many seconds until every warm webhook is sure to know the new one.
    dry_run
        Show what would be done, and do nothing.
    yes
        Do not ask.
    """
    screen = Screen()
    if what != "webhook-token":
        if finish:
            raise Unusable("--finish is about the webhook's token: reelkeeper rotate webhook-token --finish")
        return _keys(screen, place, KEYS[what], dry_run=dry_run, yes=yes)
    if finish:
        return _finish(screen, place, dry_run=dry_run, yes=yes)
    return _token(screen, place, wait_s=wait, dry_run=dry_run, yes=yes)


def _token(screen: Screen, place: Place, *, wait_s: float, dry_run: bool, yes: bool) -> int:
    client, arn = place.client("secretsmanager"), place.output("WebhookTokenSecretArn")
    present = read_secret(client, arn)
    if present.get("previous"):
        raise Unusable(
            "A new token was made before, and the earlier one is still valid. Give your engine what this prints: "
            f"{place.output('PrintWebhookBaseUrl')} ; then: reelkeeper rotate webhook-token --finish"
        )
    screen.say("A new token is made; the present one stays valid beside it until you say --finish.")
    if not decided(screen, "Make a new token?", dry_run=dry_run, yes=yes):
        return 0
    new = "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))
    change_secret(client, arn, {"token": new, "previous": present.get("token", "")})
    # A warm webhook reads the secret again for a token it does not know, but not twice within this time.
    with screen.working(f"It is in the secret. Within {wait_s:.0f} s every warm webhook will know it, too"):
        time.sleep(wait_s)
    screen.say("Both are valid now. Give your engine the WEBHOOK_BASE_URL that this prints (it is a secret):")
    screen.say(f"  {place.output('PrintWebhookBaseUrl')}")
    screen.hint("Is all well? reelkeeper doctor")
    screen.hint("When what was handed in with the earlier one is done: reelkeeper rotate webhook-token --finish")
    return 0


def _finish(screen: Screen, place: Place, *, dry_run: bool, yes: bool) -> int:
    client, arn = place.client("secretsmanager"), place.output("WebhookTokenSecretArn")
    if not read_secret(client, arn).get("previous"):
        screen.say("Only one token is valid: nothing to finish.")
        return 0
    awaited = list(_awaited(place))
    if awaited:
        screen.some(*table(awaited, datetime.now(UTC)), most=_SHOWN)
        screen.say(
            f"{plural(len(awaited), 'job')} may have been handed in with the earlier token: such a callback would be turned "
            "away, and the poller would find the file later."
        )
    if not decided(screen, "Let the earlier token be valid no more?", dry_run=dry_run, yes=yes):
        return 0
    change_secret(client, arn, {"previous": ""})
    screen.say("Only the new token is valid. A warm webhook accepts the earlier one until it is next started.")
    return 0


def _awaited(place: Place) -> Iterator[Job]:
    """Jobs that have not reported; when the engine changed over nobody here knows."""
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))
    for job in register.open():
        if job.state is JobState.SUBMITTED and job.operation != PING:
            yield job


def _keys(screen: Screen, place: Place, keys: Keys, *, dry_run: bool, yes: bool) -> int:
    new = {name: _asked(name) for name in keys.names}
    with screen.working("Trying"):
        try:
            keys.fits(place, new)
        except (Refused, RetryLater) as error:
            # Without its cause, whose own explanation would take the place of this one.
            raise Unusable(f"Nothing was changed. Tried with what you gave: {error.reason}.") from None
    screen.say(f"{' and '.join(keys.names)}: accepted.")
    if not decided(screen, "Put it into the secret?", dry_run=dry_run, yes=yes):
        return 0
    change_secret(place.client("secretsmanager"), place.output("CredentialsSecretArn"), new)
    screen.say(f"It is in the secret. {keys.afterwards}")
    screen.hint("A function takes it up when the earlier one is refused, or at its next start. Is all well? reelkeeper doctor")
    return 0


def _asked(name: str) -> str:
    """One key, typed unseen, or a line of a pipe."""
    value = (getpass(f"{name} (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise Unusable(f"That is no {name}: one word is expected, typed or in a line of a pipe. Nothing was changed.")
    return value
