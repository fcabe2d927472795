"""The stack itself: its settings, its secrets, its functions and what starts them, and what lies among the dead letters."""

from collections.abc import Iterator, Mapping

from reelkeeper.adapters.secrets import read_secret
from reelkeeper.cli.place import Place
from reelkeeper.cli.words import plural
from reelkeeper.domain.causes import Check
from reelkeeper.domain.errors import RetryLater
from reelkeeper.settings import ConfigurationError, ReceiveSettings, Settings

_FILL = "the stack's output FillCredentials is the command that writes it"


def check_settings(place: Place) -> Iterator[Check]:
    """Every function's environment, read as the function itself reads it."""
    name = "settings"
    try:
        for function in ("persist", "poller"):
            Settings.read(_environment(place, function))
        ReceiveSettings.read(_environment(place, "webhook"))
        settings = place.settings
    except ConfigurationError as error:
        yield Check(name, "fail", str(error), "deploy again with that parameter: make deploy")
        return
    where = settings.storage.endpoint or "this stack's bucket"
    yield Check(name, "good", f"all three functions have theirs; files are kept in {where}")
    if not settings.nca_url:
        yield Check("NcaUrl", "warn", "is empty: a callback that is lost is never found", "set it: make deploy")
    if not settings.source.hosts and not settings.source.local_hosts:
        what = "is empty: each file's address is confirmed with NCA before it is fetched"
        yield Check("SourceHosts", "warn", what, "name the host NCA delivers from: make deploy")


def check_secrets(place: Place) -> Iterator[Check]:
    """The two secrets: what must be in them is there. Nothing in them is ever shown."""
    client = place.client("secretsmanager")
    try:
        token = read_secret(client, place.output("WebhookTokenSecretArn"))
    except RetryLater as error:
        yield Check("webhook's token", "fail", error.reason, "see docs/configuration.md, Secrets")
    else:
        if not token.get("token"):
            yield Check("webhook's token", "fail", "the secret has no token", 'put {"token": "…", "previous": ""} into it')
        else:
            old = "; the previous one is still accepted, too" if token.get("previous") else ""
            yield Check("webhook's token", "good", f"is set{old}")
    try:
        secret = read_secret(client, place.output("CredentialsSecretArn"))
    except RetryLater as error:
        yield Check("credentials", "fail", error.reason, _FILL)
        return
    settings = place.settings
    needed = {"airtable_token": True, "nca_api_key": bool(settings.nca_url)}
    needed |= dict.fromkeys(("storage_access_key", "storage_secret_key"), bool(settings.storage.endpoint))
    missing = [name for name, need in needed.items() if need and not secret.get(name)]
    if missing:
        yield Check("credentials", "fail", f"the secret has no {', '.join(missing)}", _FILL)
    else:
        yield Check("credentials", "good", f"{', '.join(name for name, need in needed.items() if need)} are set")


def check_functions(place: Place) -> Iterator[Check]:
    """The functions are there and started: persist by its queue, the poller by its schedule."""
    for function in ("webhook", "persist", "poller"):
        found = place.client("lambda").get_function_configuration(FunctionName=place.output(f"{function.title()}FunctionName"))
        states = {found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")}
        if not states <= {"Active", "Inactive", "Successful"}:
            what = f"is {', '.join(sorted(states))}: {found.get('StateReason') or found.get('LastUpdateStatusReason') or ''}"
            yield Check(function, "fail", what, "deploy again: make deploy")
        else:
            yield Check(function, "good", f"is ready, on {found.get('Runtime', 'its runtime')}")
    sources = place.client("lambda").list_event_source_mappings(FunctionName=place.output("PersistFunctionName"))
    enabled = [one for one in sources["EventSourceMappings"] if one.get("State") in ("Enabled", "Enabling", "Updating")]
    if enabled:
        yield Check("queue starts persist", "good", "the event source is enabled")
    else:
        yield Check(
            "queue starts persist", "fail", "no event source is enabled: nothing is copied", "deploy again: make deploy"
        )
    name, scheduler = f"{place.stack}-sweep", place.client("scheduler")
    try:
        schedule = scheduler.get_schedule(Name=name)
    except scheduler.exceptions.ResourceNotFoundException:
        yield Check("schedule starts the poller", "fail", f"there is no schedule {name}", "deploy again: make deploy")
        return
    if schedule.get("State", "ENABLED") == "ENABLED":
        yield Check("schedule starts the poller", "good", f"{schedule['ScheduleExpression']}")
    else:
        yield Check("schedule starts the poller", "fail", f"the schedule {name} is disabled", "deploy again: make deploy")


def check_queues(place: Place) -> Iterator[Check]:
    """What lies where it should not stay."""
    dead = place.dead_letters.length().waiting
    if dead:
        what = f"{plural(dead, 'message')} that nobody could work on"
        yield Check("dead letters", "warn", what, "reelkeeper redrive --dry-run shows them with their reasons")
    else:
        yield Check("dead letters", "good", "there are none")


def _environment(place: Place, function: str) -> Mapping[str, str]:
    name = place.output(f"{function.title()}FunctionName")
    found = place.client("lambda").get_function_configuration(FunctionName=name)
    return dict(found.get("Environment", {}).get("Variables", {}))
