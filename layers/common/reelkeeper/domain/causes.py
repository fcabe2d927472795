"""Why files vanish after a day: the known causes, and which of them applies to what was found of buckets and rows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from reelkeeper.domain.naming import OUTPUTS_PREFIX

Verdict: TypeAlias = Literal["good", "warn", "fail", "unknown"]
Lasting: TypeAlias = Literal["permanent", "signed", "airtable", "source", "elsewhere"]

# Airtable's own links die two hours after they were given out (support.airtable.com, "Airtable attachment URL behavior").
_AIRTABLE_HOSTS = ("airtableusercontent.com", "dl.airtable.com")
_SIGNATURES = frozenset({"x-amz-signature", "x-amz-credential", "signature", "x-goog-signature", "sig"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: how it is, in words, and what to do where it is not good."""

    name: str
    verdict: Verdict
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A lifecycle rule that deletes objects: which ones, after how many days (None: on a date)."""

    rule: str
    prefix: str
    days: int | None


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What could be read of a bucket; None is what could not. `public` says whether ACL or policy let anybody read objects."""

    name: str
    exists: bool | None = None
    expiries: tuple[Expiry, ...] | None = None
    versioning: Literal["enabled", "suspended", "off"] | None = None
    public: bool | None = None


# As domain/naming.py names an output: outputs/{job id}/{index}-{name}.
_OURS = re.compile(rf"/{OUTPUTS_PREFIX}[\w-]{{8,}}/\d+-[^/]+$")


def lasting(url: str, *, permanent: str, source_hosts: frozenset[str]) -> Lasting:
    """How long an address found in a row will last; `permanent` is what every permanent address begins with."""
    if permanent and url.startswith(permanent.partition("{key}")[0]):
        return "permanent"
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        query = {name.lower() for name, _ in parse_qsl(parts.query)}
    except ValueError:
        return "elsewhere"
    if any(host == one or host.endswith(f".{one}") for one in _AIRTABLE_HOSTS):
        return "airtable"
    if query & _SIGNATURES:
        return "signed"
    if _OURS.search(parts.path):
        # Kept by us, whatever store that was in: NCA delivers from the same Space at some.
        return "permanent"
    named = {host, f"{host}:{_port(url)}"}
    delivers = any(one in named or (one.startswith(".") and host.endswith(one)) for one in source_hosts)
    return "source" if delivers else "elsewhere"


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def of_target(facts: BucketFacts) -> Iterator[Check]:
    """The bucket that keeps: what would make a kept file vanish, or keep it from coming back."""
    if facts.exists is False:
        yield Check(f"bucket {facts.name}", "fail", "is not there", "check StorageBucket and its keys")
        return
    doomed = [rule for rule in facts.expiries or () if _covers(rule, OUTPUTS_PREFIX)]
    name = "kept files expire"
    if facts.expiries is None:
        yield Check(
            name, "unknown", f"the lifecycle rules of {facts.name} cannot be read", "allow s3:GetLifecycleConfiguration"
        )
    elif doomed:
        what = "; ".join(f"rule {rule.rule!r} deletes {rule.prefix or 'everything'}{_after(rule)}" for rule in doomed)
        yield Check(name, "fail", what, f"delete that rule of {facts.name}, or keep it off {OUTPUTS_PREFIX}")
    else:
        yield Check(name, "good", f"no lifecycle rule of {facts.name} deletes what is under {OUTPUTS_PREFIX}")
    name = "deleted files come back"
    if facts.versioning is None:
        yield Check(name, "unknown", f"whether {facts.name} keeps versions cannot be read", "allow s3:GetBucketVersioning")
    elif facts.versioning != "enabled":
        what = f"versioning of {facts.name} is {facts.versioning}: what is deleted or overwritten is gone"
        yield Check(name, "warn", what, "switch versioning on for the bucket")
    else:
        yield Check(name, "good", f"{facts.name} keeps earlier versions")


def of_source(facts: BucketFacts) -> Iterator[Check]:
    """The bucket NCA writes to: how long there is to copy."""
    name = "NCA's files expire"
    if facts.exists is False or facts.expiries is None:
        what = f"the lifecycle rules of {facts.name} cannot be read"
        yield Check(name, "unknown", what, "give keys that may read it: SPACES_ACCESS_KEY and SPACES_SECRET_KEY, or --profile")
        return
    if not facts.expiries:
        yield Check(name, "good", f"no lifecycle rule of {facts.name} deletes anything")
        return
    what = "; ".join(f"rule {rule.rule!r} deletes {rule.prefix or 'everything'}{_after(rule)}" for rule in facts.expiries)
    yield Check(name, "warn", what, "kept copies are not concerned; addresses of NCA in your rows are: reelkeeper backfill")


def of_addresses(found: Sequence[tuple[str, Lasting]]) -> Iterator[Check]:
    """The addresses in rows: `found` are places such as `Videos.Video URL recX` with how long their address lasts."""
    causes: tuple[tuple[Lasting, str, str], ...] = (
        ("airtable", "Airtable's own links in text", "dead two hours after they were read"),
        ("signed", "signed addresses in text", "dead when their signature expires: an hour to seven days"),
        ("source", "NCA's addresses in text", "as short-lived as NCA's bucket lets them be"),
    )
    for kind, name, why in causes:
        places = [place for place, lasts in found if lasts == kind]
        if places:
            what = f"{len(places)} found, {why}: {', '.join(places[:3])}{' …' if len(places) > 3 else ''}"
            yield Check(name, "fail", what, "keep what they lead to, while it lives: reelkeeper backfill")
        else:
            yield Check(name, "good", f"none in the {len(found)} addresses looked at" if found else "no addresses to look at")


def _covers(rule: Expiry, prefix: str) -> bool:
    return prefix.startswith(rule.prefix) or rule.prefix.startswith(prefix)


def _after(rule: Expiry) -> str:
    if rule.days is None:
        return " on a date"
    return f" after {rule.days} day{'' if rule.days == 1 else 's'}"
