"""`reelkeeper doctor`: everything a Reelkeeper needs to work, looked at from outside, each with its remedy."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError
from cyclopts import Parameter
from rich.markup import escape

from reelkeeper.adapters.pace import Pace
from reelkeeper.adapters.register import Register
from reelkeeper.cli.checkup import nca, rights, stack, store, webhook
from reelkeeper.cli.faults import explain
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural
from reelkeeper.domain.causes import Check
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.services.checking import check_airtable
from reelkeeper.settings import ConfigurationError

_FAILURES = (RetryLater, Refused, ConfigurationError, ClientError, BotoCoreError)
_SIGNS = {"good": "[green]pass[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]FAIL[/]", "unknown": "[yellow]skip[/]"}
# Its own variable in the engine; a domain of your own in front of the API goes in here.
_BASE_URL = "WEBHOOK_BASE_URL"
Look: TypeAlias = Callable[[], Iterator[Check]]


def doctor(
    *,
    round_trip: Annotated[bool, Parameter(negative="--no-round-trip")] = True,
    wait: float = 60,
    webhook_base_url: Annotated[str | None, Parameter(env_var=_BASE_URL)] = None,
    json: bool = False,
    place: Here,
) -> int:
    """Look at everything a Reelkeeper needs to work.

    Parameters
    ----------
    round_trip
        Have NCA run a tiny job and call back, which alone proves that it reaches the webhook.
    wait
        How many seconds a ping and a callback may take.
    webhook_base_url
        The address the engine was given, if it is not the API's own: a domain in front of it, or the local stack's.
    json
        Print the checks as JSON.
    """
    screen = Screen()
    # A stack that is not there is no finding but a mistake of the call.
    place.output("PersistFunctionName")
    found: list[Check] = []
    for title, look in _looks(place, webhook_base_url, round_trip=round_trip, wait_s=wait).items():
        with screen.working(title):
            checks = _looked(title, look)
        found += checks
        if not json:
            for check in checks:
                _say(screen, check)
    if json:
        screen.json([asdict(check) for check in found])
    else:
        _conclude(screen, found)
    return int(any(check.verdict == "fail" for check in found))


def _looks(place: Place, base_url: str | None, *, round_trip: bool, wait_s: float) -> dict[str, Look]:
    """What is looked at, in the order in which one thing needs the other."""
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))

    def airtable() -> Iterator[Check]:
        outside = place.outside
        pace = Pace(place.client("dynamodb"), place.output("LedgerTable"), share=place.settings.airtable.share)
        yield from check_airtable(outside.airtable, outside.mapping, pace)

    def the_webhook() -> Iterator[Check]:
        door = webhook.door(place, base_url)
        yield from webhook.check_door(door, local=bool(place.endpoint_url))
        yield from webhook.check_answer(door)
        yield from webhook.check_ping(door, register, wait_s=wait_s)

    def the_round_trip() -> Iterator[Check]:
        yield from nca.check_round_trip(place.outside.nca, webhook.door(place, base_url), register, wait_s=wait_s)

    looks: dict[str, Look] = {
        "settings": lambda: stack.check_settings(place),
        "secrets": lambda: stack.check_secrets(place),
        "functions": lambda: stack.check_functions(place),
        "rights": lambda: rights.check_rights(place),
        "queues": lambda: stack.check_queues(place),
        "the bucket": lambda: store.check_bucket(place),
        "the permanent address": lambda: store.check_permanent_address(place),
        "Airtable": airtable,
        "NCA": lambda: nca.check_nca(place.outside.nca),
        "the webhook": the_webhook,
    }
    if round_trip:
        looks["a round trip through NCA"] = the_round_trip
    return looks


def _looked(title: str, look: Look) -> list[Check]:
    """The checks; what cannot be looked at is one of them, and the rest go on."""
    checks: list[Check] = []
    try:
        # One by one: what was found before something failed is worth saying.
        checks.extend(look())
    except _FAILURES as error:
        denied = isinstance(error, ClientError) and "Denied" in str(error.response.get("Error", {}).get("Code", ""))
        checks.append(Check(title, "unknown" if denied else "fail", explain(error) or str(error)))
    return checks


def _say(screen: Screen, check: Check) -> None:
    screen.show(f"{_SIGNS[check.verdict]}  [bold]{escape(check.name)}[/]: {escape(check.what)}")
    if check.verdict != "good" and check.remedy:
        screen.say(f"      → {check.remedy}")


def _conclude(screen: Screen, found: list[Check]) -> None:
    counts = {verdict: sum(check.verdict == verdict for check in found) for verdict in _SIGNS}
    screen.say()
    parts = [plural(counts["good"], "check") + " passed"]
    parts += [f"{counts['warn']} warn"] if counts["warn"] else []
    parts += [f"{counts['unknown']} could not be looked at"] if counts["unknown"] else []
    parts += [f"{counts['fail']} FAILED"] if counts["fail"] else []
    screen.say(", ".join(parts) + ".")
    if not counts["fail"]:
        screen.hint("Next, to see what is on its way: reelkeeper jobs")
