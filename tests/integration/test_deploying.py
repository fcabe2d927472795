"""`make deploy` and `make destroy` in a terminal, before anything is built: what they ask, check and refuse."""

import json
import os
import pty
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import boto3
import pytest
from rich.console import Console

from local import airtable as airtable_stand_in
from local import nca as nca_stand_in
from local.airtable import Served as Airtable
from local.nca import Nca
from local.stack import emulator
from scripts import deploy as script
from scripts.answers import Refused, parameters, wrong

ROOT = Path(__file__).parents[2]
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulator() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def nca() -> Iterator[Nca]:
    with nca_stand_in.serve() as served:
        yield served


@pytest.fixture(scope="module")
def airtable() -> Iterator[Airtable]:
    with airtable_stand_in.serve() as served:
        yield served


Typed = Sequence[tuple[str, str]]


def terminal(module: str, *arguments: str, environ: dict[str, str], typed: Typed = ()) -> tuple[int, str]:
    """Run a script in a pseudo-terminal and return its status and its screen.

    Each line is typed once what is named before it has appeared: a hidden question throws away what was typed too early.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", module, *arguments]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "200",
            "TERM": "dumb",
            **environ,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, seen, left = "", 0, list(typed)
    # Linux: reading fails once the last one on the other side has closed it.
    with suppress(OSError):
        while chunk := os.read(ours, 65536):
            screen += chunk.decode()
            while left and (found := screen.find(left[0][0], seen)) >= 0:
                seen = found + len(left[0][0])
                os.write(ours, f"{left.pop(0)[1]}\n".encode())
    os.close(ours)
    return child.wait(timeout=60), screen


def deploy(*arguments: str, environ: dict[str, str], typed: Typed = ()) -> tuple[int, str]:
    return terminal("scripts.deploy", *arguments, environ=environ, typed=typed)


def given(nca: Nca, airtable: Airtable, base: str | None = None) -> list[str]:
    """Every answer on the command line."""
    pairs = {
        "AirtableBaseId": base or airtable.base_id,
        "AirtableEndpoint": airtable.address,
        "NcaUrl": nca.address,
        "SourceHosts": "",
        "AlarmEmail": "a@example.com",
    }
    return [word for name, value in pairs.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("script", ["scripts.deploy", "scripts.destroy"])
def test_without_credentials_it_says_so_and_asks_nothing(script: str) -> None:
    status, screen = terminal(script, "--region", "us-east-1", environ={})
    assert status == 2
    assert len(screen.strip().splitlines()) == 1
    assert "AWS does not know you" in screen
    assert "aws sso login" in screen


def test_without_a_region_it_says_so(aws: str) -> None:
    status, screen = deploy(environ={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": aws})
    assert (status, "No region: name one with --region" in screen) == (2, True)


def test_each_question_is_explained_and_an_answer_that_will_not_do_is_asked_for_again(aws: str) -> None:
    typed = [
        ("AirtableBaseId  ", "the video base"),
        ("AirtableBaseId must look like app followed by 14 letters and digits", "app0123456789ABCD"),
        ("NcaUrl  ", "nca.example.com"),
        ("NcaUrl must be empty or an http or https address.", ""),
        ("SourceHosts  ", "files.example.com"),
        ("AlarmEmail  ", ""),
        ("not shown: ", ""),
        ("Build and deploy this?", "n"),
    ]
    status, screen = deploy(environ={**KEYS, "AWS_ENDPOINT_URL": aws}, typed=typed)
    assert status == 2
    assert 'the part of its address that begins with "app"' in screen
    assert "Without NcaUrl a job whose callback is lost cannot be found again." in screen
    assert "Without AlarmEmail nobody is told when a person must act." in screen
    assert "There is no airtable_token yet; afterwards: reelkeeper rotate airtable" in screen
    assert screen.rstrip().endswith("Nothing was deployed.")


def test_a_token_that_airtable_refuses_is_found_out_before_anything_is_built(aws: str, nca: Nca, airtable: Airtable) -> None:
    environ = {**KEYS, "AWS_ENDPOINT_URL": aws, "AIRTABLE_TOKEN": "patWrong.0123", "NCA_API_KEY": nca.api_key}
    status, screen = deploy(*given(nca, airtable), "--yes", environ=environ)
    assert (status, "Airtable refuses the token" in screen) == (2, True)
    assert "patWrong" not in screen


def test_a_base_that_the_token_does_not_reach_is_found_out(aws: str, nca: Nca, airtable: Airtable) -> None:
    environ = {**KEYS, "AWS_ENDPOINT_URL": aws, "AIRTABLE_TOKEN": airtable.token, "NCA_API_KEY": nca.api_key}
    status, screen = deploy(*given(nca, airtable, "appAnotherBase000"), "--yes", environ=environ)
    assert (status, "Airtable shows this token no base appAnotherBase000" in screen) == (2, True)


def test_a_key_that_nca_refuses_is_found_out(aws: str, nca: Nca, airtable: Airtable) -> None:
    environ = {**KEYS, "AWS_ENDPOINT_URL": aws, "AIRTABLE_TOKEN": airtable.token, "NCA_API_KEY": "wrong"}
    status, screen = deploy(*given(nca, airtable), "--yes", environ=environ)
    assert (status, "NCA refuses the key" in screen) == (2, True)


def test_good_answers_are_shown_without_the_keys_and_confirmed(aws: str, nca: Nca, airtable: Airtable) -> None:
    environ = {**KEYS, "AWS_ENDPOINT_URL": aws, "AIRTABLE_TOKEN": airtable.token, "NCA_API_KEY": nca.api_key}
    status, screen = deploy(*given(nca, airtable), environ=environ, typed=[("Build and deploy this?", "n")])
    assert status == 2
    assert "given, goes into the secret only" in screen
    assert "Build and deploy this?" in screen
    assert airtable.token not in screen
    assert nca.api_key not in screen


def test_a_store_of_ones_own_is_asked_its_keys_and_without_them_says_what_is_missing(aws: str, airtable: Airtable) -> None:
    pairs = ("StorageEndpoint=https://nyc3.digitaloceanspaces.com", f"AirtableEndpoint={airtable.address}", "NcaUrl=")
    typed = [
        ("AirtableBaseId  ", airtable.base_id),
        ("SourceHosts  ", ""),
        ("AlarmEmail  ", ""),
        ("not shown: ", airtable.token),
        ("not shown: ", "AKIASPACES"),
        ("not shown: ", ""),
        ("Build and deploy this?", "n"),
    ]
    words = [word for pair in pairs for word in ("--set", pair)]
    status, screen = deploy(*words, environ={**KEYS, "AWS_ENDPOINT_URL": aws}, typed=typed)
    assert status == 2
    assert "storage_access_key  The key of the store that keeps the files." in screen
    assert "There is no storage_secret_key yet; afterwards: reelkeeper rotate storage" in screen
    assert "There is no storage_access_key" not in screen
    assert "nca_bucket_access_key" not in screen
    assert "AKIASPACES" not in screen


def test_a_list_may_have_more_than_one_entry_and_each_is_looked_at() -> None:
    declared = parameters()["SourceBuckets"]
    assert wrong("SourceBuckets", "nca-one,nca-two", declared) is None
    assert wrong("SourceBuckets", "nca-one,Not A Bucket", declared) is not None


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("PollRate=rate(3 minutes)", "PollRate must be one of: rate(1 minute)"),
        ("OldJobMinutes=soon", "OldJobMinutes must be a whole number."),
        ("Colour=red", "There is no parameter Colour; docs/configuration.md lists them all."),
    ],
)
def test_a_parameter_that_will_not_do_is_refused_at_once(aws: str, pair: str, said: str) -> None:
    status, screen = deploy("--set", pair, "--yes", environ={**KEYS, "AWS_ENDPOINT_URL": aws})
    assert (status, said in screen) == (2, True)


def test_when_the_deployment_fails_the_earlier_keys_are_put_back(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack stays as it was, and its functions may read the secret at any moment."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": aws, "SPACES_ACCESS_KEY": "new", "SPACES_SECRET_KEY": "new"}.items():
        monkeypatch.setenv(name, value)
    earlier = {"airtable_token": "pat.x", "storage_access_key": "old", "storage_secret_key": "old"}
    secrets = boto3.Session().client("secretsmanager")
    arn = secrets.create_secret(Name="keys", SecretString=json.dumps(earlier))["ARN"]
    present = {"AirtableBaseId": "app0123456789ABCD", "StorageEndpoint": "http://127.0.0.1:9", "StorageBucket": "kept"}
    held: list[str] = []

    def sam(_arguments: object, _session: object, command: list[str]) -> None:
        held.append(json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])["storage_access_key"])
        if command[0] == "deploy":
            raise Refused("sam deploy failed")

    monkeypatch.setattr(script, "stack", lambda *_: {"parameters": present, "outputs": {"CredentialsSecretArn": arn}})
    monkeypatch.setattr(script, "_sam", sam)
    sets = ["StorageEndpoint=http://127.0.0.1:10", "PublicUrlTemplate=http://127.0.0.1:10/kept/{key}"]
    arguments = Namespace(stack="reelkeeper", profile=None, region=None, set=sets, yes=True, no_doctor=True)
    with pytest.raises(Refused, match="sam deploy failed"):
        script.deploy(arguments, Console(quiet=True))
    assert held == ["old", "new"]
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == earlier


def test_destroying_says_what_is_kept_and_does_nothing_without_the_stacks_name(aws: str) -> None:
    template = '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"BucketName": {"Value": "the-bucket"}}}'
    client = boto3.Session("test", "test", region_name="us-east-1").client("cloudformation", endpoint_url=aws)
    client.create_stack(StackName="reelkeeper", TemplateBody=template)
    environ = {**KEYS, "AWS_ENDPOINT_URL": aws}
    status, screen = terminal("scripts.destroy", environ=environ, typed=[("Type the stack's name", "yes")])
    assert (status, "Nothing was deleted." in screen) == (2, True)
    assert "the-bucket  the stack's own bucket with every file that was kept there (S3)" in screen
    status, screen = terminal("scripts.destroy", environ=environ, typed=[("Type the stack's name", "reelkeeper")])
    assert (status, "The stack reelkeeper is gone." in screen) == (0, True)
    assert "Still there, and every permanent address still serves its file:" in screen
    status, screen = terminal("scripts.destroy", environ=environ)
    assert (status, "There is no stack reelkeeper in us-east-1" in screen) == (2, True)
