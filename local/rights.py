"""Taking rights away for a while: how a test makes SQS, the bucket or the ledger refuse one function, and only that one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from local.stack import FunctionName, Stack


@contextmanager
def without(stack: Stack, function: FunctionName, *policies: str) -> Iterator[None]:
    """Take policies (by their names in template.yaml) from a function's role for as long as the block lasts."""
    iam = stack.client("iam")
    configuration = stack.client("lambda").get_function_configuration(FunctionName=stack.function(function))
    role = configuration["Role"].rpartition("/")[2]
    taken = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in policies}
    for name in policies:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        yield
    finally:
        for name, document in taken.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


@contextmanager
def unread_queue(stack: Stack) -> Iterator[None]:
    """Keep persist from taking messages, so that they can be counted and read."""
    client = stack.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=stack.function("persist"))["EventSourceMappings"]
    for mapping in mappings:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        for mapping in mappings:
            client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
