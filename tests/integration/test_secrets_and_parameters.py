"""Secrets and parameters as moto plays them: read, or one clear line that names the setting and the remedy."""

import json
from typing import Any

import boto3
import pytest

from reelkeeper.adapters.parameters import read_parameter
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.domain.errors import RetryLater


@pytest.fixture
def secrets(aws: None) -> Any:
    return boto3.client("secretsmanager")


def test_a_secret_is_a_flat_object_of_strings(secrets: Any) -> None:
    secrets.create_secret(Name="keys", SecretString=json.dumps({"airtable_token": "pat", "port": 1, "nca_api_key": None}))
    assert read_secret(secrets, "keys") == {"airtable_token": "pat", "port": "1"}


def test_a_secret_without_a_value_says_how_to_fill_it(secrets: Any) -> None:
    """As the template makes it, so that no update can ever overwrite what a person put in."""
    secrets.create_secret(Name="keys")
    with pytest.raises(RetryLater, match=r"the secret keys is empty or missing; put your keys into it .* FillCredentials"):
        read_secret(secrets, "keys")
    with pytest.raises(RetryLater, match="the secret nothing is empty or missing"):
        read_secret(secrets, "nothing")


@pytest.mark.parametrize("text", ["5ecret", '["5ecret"]', '"5ecret"', '{"5ecret":', "[" * 100_000])
def test_a_secret_that_is_no_object_is_never_quoted(secrets: Any, text: str) -> None:
    secrets.create_secret(Name="keys", SecretString=text[:60_000])
    with pytest.raises(RetryLater, match=r"put .* into it$") as failed:
        read_secret(secrets, "keys")
    assert "5ecret" not in failed.value.reason
    assert "\n" not in failed.value.reason


def test_a_parameter_is_read_as_text(aws: None) -> None:
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/reelkeeper/mapping", Value='[jobs]\ntable = "Jobs"', Type="SecureString")
    assert read_parameter(ssm, "/reelkeeper/mapping") == '[jobs]\ntable = "Jobs"'


def test_a_parameter_that_is_not_there_names_the_setting(aws: None) -> None:
    with pytest.raises(RetryLater, match=r"the parameter /nothing cannot be read: .*; create it or correct MappingParameter"):
        read_parameter(boto3.client("ssm"), "/nothing")
