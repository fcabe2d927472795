"""`reelkeeper check`: the base against the mapping, or every known cause of files that vanish after a day."""

import os
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.markup import escape

from reelkeeper.adapters.bucket import client_for
from reelkeeper.adapters.pace import Pace
from reelkeeper.adapters.rules import any_object, facts_of
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.domain.causes import BucketFacts, Check
from reelkeeper.domain.naming import OUTPUTS_PREFIX
from reelkeeper.services.checking import Addresses, check_airtable, check_storage
from reelkeeper.settings import StorageSettings

_SIGNS = {"good": "[green]good[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]", "unknown": "[dim]unknown[/]"}
# my-bucket.s3.eu-central-1.amazonaws.com, my-space.nyc3.digitaloceanspaces.com, with or without the CDN.
_HOSTS = (
    re.compile(r"(?P<bucket>[a-z0-9.-]+)\.s3[.-](?P<region>[a-z0-9-]+)\.amazonaws\.com"),
    re.compile(r"(?P<bucket>[a-z0-9-]+)\.(?P<region>[a-z0-9]+)\.(?:cdn\.)?digitaloceanspaces\.com"),
)


def check(
    what: Literal["airtable", "storage"],
    /,
    *,
    resume: Annotated[bool, Parameter(negative="")] = False,
    source: str = "",
    source_endpoint: str = "",
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    place: Here,
) -> int:
    """Check Airtable's base, or where files are kept.

    Parameters
    ----------
    what
        airtable: has the base every table, field, type and option that the mapping names? storage: which of the known causes
        of files that vanish after a day applies here?
    resume
        Let Reelkeeper ask Airtable again after the month's API calls were used up: once you have upgraded the plan.
    source
        The bucket NCA writes to, as s3://BUCKET, where SourceHosts does not tell it.
    source_endpoint
        That bucket's store if it is not AWS; its keys come from SPACES_ACCESS_KEY and SPACES_SECRET_KEY.
    as_json
        Print the checks as JSON.
    """
    screen = Screen()
    if resume and what != "airtable":
        raise Unusable("--resume is about Airtable: reelkeeper check airtable --resume")
    with screen.working(f"Checking {what}"):
        checks = _airtable(screen, place, resume=resume) if what == "airtable" else _storage(place, source, source_endpoint)
    if as_json:
        screen.json([{"name": one.name, "verdict": one.verdict, "what": one.what, "remedy": one.remedy} for one in checks])
    else:
        _print(screen, checks)
    return int(any(one.verdict == "fail" for one in checks))


def _airtable(screen: Screen, place: Place, *, resume: bool) -> Sequence[Check]:
    share = Pace(place.client("dynamodb"), place.output("LedgerTable"), share=place.settings.airtable.share)
    if resume:
        screen.hint("Airtable is asked again." if share.resume() else "Airtable was not closed: nothing to resume.")
    return list(check_airtable(place.outside.airtable, place.outside.mapping, share))


def _storage(place: Place, source: str, source_endpoint: str) -> Sequence[Check]:
    storage = place.settings.storage
    client = place.client("s3")
    if storage.endpoint:
        secret = read_secret(place.client("secretsmanager"), place.settings.secret)
        client = client_for(storage, (secret.get("storage_access_key", ""), secret.get("storage_secret_key", "")))
    key = any_object(client, storage.bucket, OUTPUTS_PREFIX)
    addresses = Addresses(
        permanent=storage.public_url,
        source_hosts=place.settings.source.hosts | place.settings.source.local_hosts,
        sample=place.outside.bucket.address(key) if key else None,
    )
    return list(
        check_storage(
            facts_of(client, storage.bucket),
            _sources(place, source, source_endpoint),
            addresses=addresses,
            airtable=place.outside.airtable,
            viewer=place.outside.viewer,
            mapping=place.outside.mapping,
        )
    )


def _sources(place: Place, source: str, endpoint: str) -> Sequence[BucketFacts]:
    """What can be read of the buckets NCA writes to: the one that was named, else those whose host says which they are."""
    if source:
        if not source.startswith("s3://"):
            raise Unusable(f"{source!r} is no bucket: write s3://BUCKET")
        return [facts_of(_source_client(place, endpoint), source.removeprefix("s3://").strip("/"))]
    found = [match for host in place.settings.source.hosts for one in _HOSTS if (match := one.fullmatch(host))]
    return [
        facts_of(_source_client(place, _spaces(match["region"]) if "digitalocean" in match[0] else ""), match["bucket"])
        for match in found
    ]


def _spaces(region: str) -> str:
    return f"https://{region}.digitaloceanspaces.com"


def _source_client(place: Place, endpoint: str) -> Any:
    if not endpoint:
        return place.client("s3")
    keys = os.environ.get("SPACES_ACCESS_KEY", ""), os.environ.get("SPACES_SECRET_KEY", "")
    settings = StorageSettings(bucket="", public_url="", endpoint=endpoint, region="", acl="", addressing="auto")
    return client_for(settings, keys if all(keys) else None)


def _print(screen: Screen, checks: Sequence[Check]) -> None:
    rows = [(_SIGNS[one.verdict], escape(one.name), escape(one.what), escape(one.remedy)) for one in checks]
    screen.table(("", "check", "found", "what to do"), rows)
    wrong = sum(one.verdict == "fail" for one in checks)
    screen.say()
    screen.say("Nothing is wrong." if not wrong else f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong.")
