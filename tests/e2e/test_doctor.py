"""The doctor on the deployed stack: everything works, a round trip through NCA included; and what does not is said."""

import json
from collections.abc import Mapping

import pytest

from local.nca import Fault
from local.rights import without
from local.stack import ROOT_KEYS, STACK_NAME
from local.world import World
from tests.golden import compare
from tests.terminal import REELKEEPER, Shown, show

# What other tests leave lying about is no illness.
_LEFT_BY_OTHERS = ("dead letters", "redrive", "checks passed")


def reelkeeper(world: World, *words: str) -> Shown:
    environ = {
        **ROOT_KEYS,
        "AWS_ENDPOINT_URL": world.aws.endpoint,
        "REELKEEPER_STACK": STACK_NAME,
        "WEBHOOK_BASE_URL": world.aws.webhook_base_url(),
    }
    return show([REELKEEPER, *words], environ=environ, timeout=400)


def checks(world: World, *words: str, wait_s: int = 120) -> Mapping[str, tuple[str, str]]:
    """Each check's verdict and what was found, by its name."""
    found = json.loads(reelkeeper(world, "doctor", "--json", "--wait", str(wait_s), *words).text)
    return {one["name"]: (one["verdict"], one["what"]) for one in found}


def test_on_a_healthy_stack_every_check_passes_and_reads_as_it_did(world: World) -> None:
    shown = reelkeeper(world, "doctor", "--wait", "120")
    assert shown.status == 0, shown.text
    lines = [line for line in shown.text.splitlines() if not any(name in line for name in _LEFT_BY_OTHERS)]
    compare("doctor", "\n".join(lines) + "\n")


def test_the_token_is_never_shown(world: World) -> None:
    token = world.aws.webhook_base_url().rpartition("/")[2]
    assert token not in reelkeeper(world, "doctor", "--wait", "120").text


def test_nothing_of_the_doctors_visit_is_left_and_airtable_never_hears_of_it(world: World) -> None:
    world.airtable.journal.clear()
    assert checks(world)["NCA reaches the webhook"][0] == "good"
    left = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix="outputs/reelkeeper-doctor/")
    assert not left.get("Versions")
    assert not world.airtable.journal.writes("Jobs")


def test_a_callback_that_does_not_come_is_proof_that_nca_does_not_reach_us(world: World) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    try:
        found = checks(world, wait_s=15)
    finally:
        world.nca.switches.off()
    assert found["NCA reaches the webhook"][0] == "fail"
    assert found["a ping reaches the ledger"][0] == "good"


@pytest.mark.parametrize(("policy", "right"), [("queue", "sqs:SendMessage on Queue")])
def test_a_right_that_is_missing_is_named(world: World, policy: str, right: str) -> None:
    with without(world.aws, "webhook", policy):
        found = checks(world, "--no-round-trip", wait_s=3)
    # The ping went to the inbox, as any callback would: the next sweep has it.
    assert world.aws.invoke("poller")["inboxed"] == 1
    verdict, what = found["rights of webhook"]
    assert (verdict, right in what) == ("fail", True)
