"""What a stack must be told: parameters and keys, each asked for with its meaning.

What a parameter means and how it must look is read from template.yaml.
"""

import argparse
import getpass
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
# What nobody else can know; all the others have defaults that suit most, and `--set`.
ASKED = ("AirtableBaseId", "NcaUrl", "SourceHosts", "AlarmEmail")


class Refused(Exception):
    """Nothing was done; the message is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the secret: the variable it may come from, what it is, how `reelkeeper rotate` calls it, and the parameter
    without which it is not needed ("" for none)."""

    name: str
    variable: str
    what: str
    rotated: str
    parameter: str = ""

    @property
    def opens(self) -> tuple[str, ...]:
        """The parameters that say what it opens."""
        return (self.parameter, "StorageBucket") if self.parameter == "StorageEndpoint" else (self.parameter,)


KEYS = (
    Key(
        "airtable_token",
        "AIRTABLE_TOKEN",
        "An Airtable personal access token with data.records:read and data.records:write on that base.",
        "airtable",
    ),
    Key("nca_api_key", "NCA_API_KEY", "The key your NCA Toolkit wants as x-api-key.", "nca", "NcaUrl"),
    Key("nca_bucket_access_key", "NCA_BUCKET_ACCESS_KEY", "A key that may list NCA's bucket.", "nca-bucket", "NcaBucketUrl"),
    Key("nca_bucket_secret_key", "NCA_BUCKET_SECRET_KEY", "The secret that belongs to it.", "nca-bucket", "NcaBucketUrl"),
    Key("storage_access_key", "SPACES_ACCESS_KEY", "The key of the store that keeps the files.", "storage", "StorageEndpoint"),
    Key("storage_secret_key", "SPACES_SECRET_KEY", "The secret that belongs to it.", "storage", "StorageEndpoint"),
)


class _Loader(yaml.SafeLoader):
    """Reads the template's plain parts; what CloudFormation computes is of no interest here."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def parameters() -> dict[str, dict[str, Any]]:
    """The template's parameters as it declares them."""
    found: dict[str, dict[str, Any]] = yaml.load(TEMPLATE.read_text(), _Loader)["Parameters"]
    return found


def wrong(name: str, value: str, declared: Mapping[str, Any]) -> str | None:
    """What is wrong with a value, in the template's own words; None where it will do."""
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return f"{name} must be one of: {', '.join(map(str, declared['AllowedValues']))}"
    # CloudFormation holds each entry of a list to the pattern.
    entries = value.split(",") if declared["Type"] == "CommaDelimitedList" else [value]
    if not all(re.fullmatch(declared.get("AllowedPattern", r"(?s).*"), one) for one in entries):
        return f"{name} {declared.get('ConstraintDescription', 'does not look right.')}"
    if declared["Type"] == "Number" and not value.isdecimal():
        return f"{name} must be a whole number."
    return None


def chosen(arguments: argparse.Namespace, present: Mapping[str, Mapping[str, str]], console: Console) -> dict[str, str]:
    """The parameters to deploy with: given, in force, or asked for; raises Refused for one that will not do."""
    declared = parameters()
    given = dict(pair.split("=", 1) for pair in arguments.set if "=" in pair)
    for name, value in given.items():
        if name not in declared:
            raise Refused(f"There is no parameter {name}; docs/configuration.md lists them all.")
        if fault := wrong(name, value, declared[name]):
            raise Refused(fault)
    values = {name: value for name, value in present["parameters"].items() if name in declared} | given
    for name in ASKED:
        default = values.get(name, str(declared[name].get("Default", "")))
        if name in given or arguments.yes:
            if fault := wrong(name, default, declared[name]):
                raise Refused(f"{fault} Give it with --set {name}=…")
            values[name] = default
        else:
            values[name] = _ask(console, name, default, declared[name])
    return values


def needed(values: Mapping[str, str]) -> list[Key]:
    """The keys that a stack with these parameters works with."""
    return [key for key in KEYS if not key.parameter or values.get(key.parameter)]


def keys(
    values: Mapping[str, str], before: Mapping[str, str], there: Collection[str], console: Console, *, ask: bool
) -> dict[str, str]:
    """The keys to put into the secret: from the environment, else, with `ask`, from a person.

    Those that are `there` stay, unless what they open is another than with the parameters of `before`.
    """
    found = {}
    for key in needed(values):
        stays = key.name in there
        if stays and all(values.get(name) == before.get(name) for name in key.opens):
            continue
        if os.environ.get(key.variable):
            found[key.name] = os.environ[key.variable]
        elif ask:
            otherwise = "the one that is there" if stays else "later"
            console.print(f"\n[bold]{key.name}[/]  {key.what} Empty: {otherwise}.", soft_wrap=True)
            found[key.name] = getpass.getpass("  not shown: ").strip()
    return {name: value for name, value in found.items() if value}


def _ask(console: Console, name: str, default: str, declared: Mapping[str, Any]) -> str:
    console.print(f"\n[bold]{name}[/]  {declared['Description']}", soft_wrap=True)
    while True:
        answer = console.input(f"  [dim]\\[{default}][/] " if default else "  ").strip() or default
        fault = wrong(name, answer, declared)
        if fault is None:
            return answer
        console.print(f"  [red]{fault}[/]", soft_wrap=True)
