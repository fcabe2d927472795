"""template.yaml as plain data, its intrinsic functions spelled as in JSON (`{"Ref": …}`, `{"Fn::GetAtt": …}`)."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """Knows CloudFormation's tags."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    loaded = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
    assert isinstance(loaded, dict)
    return loaded


def resource(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template()["Resources"][name]["Properties"]
    return found


def environment(function: str) -> dict[str, Any]:
    """What the template sets for a function, Globals included."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    return {**shared, **resource(function)["Environment"]["Variables"]}


def statements(role: str) -> list[dict[str, Any]]:
    """Every statement of a role's policies; a conditional policy counts as present."""
    policies = [policy.get("Fn::If", [None, policy])[1] for policy in resource(role)["Policies"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
