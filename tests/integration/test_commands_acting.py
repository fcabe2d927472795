"""The commands that change something for good: recover and resubmit with a real NCA's answer, rotate with real secrets."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from local.media import make
from reelkeeper.adapters.secret_changes import change_secret
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.domain.callback import parse
from reelkeeper.domain.job import JobState
from reelkeeper.domain.message import Message, decode
from tests.golden import compare
from tests.integration.operated import STACK, Operated, operated, reelkeeper
from tests.terminal import REELKEEPER
from tests.unit.builders import a_job

pytestmark = [pytest.mark.xdist_group("operated to act"), pytest.mark.timeout(600)]
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def here() -> Iterator[Operated]:
    with operated() as place:
        yield place


def webhook_tokens(here: Operated) -> dict[str, str]:
    return read_secret(here.client("secretsmanager"), here.outputs["WebhookTokenSecretArn"])


def test_the_webhooks_token_is_rotated_in_two_steps_and_both_are_valid_in_between(here: Operated) -> None:
    before = webhook_tokens(here)["token"]
    compare("rotate", reelkeeper(here, "rotate", "webhook-token", "--wait", "0", types="y\n").text)
    new = webhook_tokens(here)
    assert re.fullmatch(r"[A-Za-z0-9]{43}", new["token"])
    assert new["token"] != before
    assert new["previous"] == before

    again = reelkeeper(here, "rotate", "webhook-token", "--wait", "0", "--yes")
    assert (again.status, again.text.count("\n")) == (2, 1)
    assert "--finish" in again.text
    assert webhook_tokens(here) == new

    compare("rotate-finish", reelkeeper(here, "rotate", "webhook-token", "--finish", types="y\n").text)
    assert webhook_tokens(here) == {"token": new["token"], "previous": ""}
    assert "nothing to finish" in reelkeeper(here, "rotate", "webhook-token", "--finish").text


def credentials(here: Operated) -> dict[str, str]:
    return read_secret(here.client("secretsmanager"), here.outputs["CredentialsSecretArn"])


def test_a_new_key_is_tried_before_it_takes_the_place_of_the_earlier_and_the_others_stay(here: Operated) -> None:
    before = credentials(here)
    compare("rotate-refused", reelkeeper(here, "rotate", "airtable", types="patWrong.wrong\n").text)
    for what in ("airtable", "nca"):
        refused = reelkeeper(here, "rotate", what, "--yes", types="wrong\n")
        assert refused.status == 2
        assert "Nothing was changed" in refused.text
    assert credentials(here) == before

    # As if the earlier one had been another.
    change_secret(here.client("secretsmanager"), here.outputs["CredentialsSecretArn"], {"airtable_token": "patEarlier.x"})
    shown = reelkeeper(here, "rotate", "airtable", "--yes", types=f"{here.airtable.token}\n")
    assert here.airtable.token not in shown.text
    compare("rotate-airtable", shown.text)
    assert credentials(here) == before


def test_a_dsn_is_taken_only_if_it_is_one(here: Operated) -> None:
    before = credentials(here)
    assert reelkeeper(here, "rotate", "sentry", "--yes", types="nonsense\n").status == 2
    assert credentials(here) == before
    assert reelkeeper(here, "rotate", "sentry", "--yes", types="https://key@sentry.example.com/1\n").status == 0
    assert credentials(here) == {**before, "sentry_dsn": "https://key@sentry.example.com/1"}
    change_secret(here.client("secretsmanager"), here.outputs["CredentialsSecretArn"], {"sentry_dsn": ""})


def test_keys_that_are_of_no_use_here_are_not_taken(here: Operated) -> None:
    for what, why in (("storage", "own bucket"), ("nca-bucket", "NcaBucketUrl")):
        piped = subprocess.run(
            [REELKEEPER, "rotate", what, "--yes"],
            env={**here.environ},
            capture_output=True,
            text=True,
            check=False,
            input="one\ntwo\n",
        )
        assert piped.returncode == 2
        assert why in piped.stderr
    assert {name for name, value in credentials(here).items() if value} == {"airtable_token", "nca_api_key"}


def joined(here: Operated, name: str) -> tuple[str, str, dict[str, object]]:
    """A row whose job NCA has finished, and nobody has heard of it: the row, NCA's id, and what was asked for."""
    request: dict[str, object] = {
        "video_urls": [{"video_url": here.nca.put_input(f"{name}.mp4", make.video(seconds=1, hue=0.1))}]
    }
    video = here.airtable.base.create("Videos", {"Name": name})
    fields = {"Type": "concatenate", "Status": "processing", "Related Video": [video], "Request Payload": repr(request)}
    row = here.airtable.base.create("Jobs", fields)
    answer = here.nca.submit("/v1/video/concatenate", {**request, "id": row}).json()
    here.airtable.base.change("Jobs", row, {"External Job ID": answer["job_id"]})
    assert here.nca.toolkit.wait_idle()
    return row, answer["job_id"], request


def known(here: Operated, job_id: str, row: str, state: JobState) -> None:
    """The ledger has it, as old as a job that is worth a question."""
    at = datetime.now(UTC) - HALF_AN_HOUR
    ended = {"error": "NCA no longer has it", "told_at": at, "due_at": None} if state is JobState.LOST else {"due_at": at}
    job = a_job(state, job_id=job_id, record_id=row, operation="concatenate", outputs=(), received_at=at, version=0, **ended)
    here.ledger.save(job)


def test_recover_finds_what_nca_has_finished_and_sends_it_in_as_the_operator(here: Operated) -> None:
    row, job_id, _ = joined(here, "Found")
    known(here, job_id, row, JobState.SUBMITTED)
    compare("recover", reelkeeper(here, "recover", row, types="y\n").text)
    (sent,) = (decode(letter.text) for letter in list(here.queue.take(limit=10, hidden=timedelta(minutes=1))))
    assert isinstance(sent, Message)
    assert sent.origin == "operator"
    callback = parse(sent.body, sent.query)
    assert (callback.job_id, callback.outcome, len(callback.outputs)) == (job_id, "success", 1)


def test_resubmit_hands_in_anew_once_what_the_mapping_allows(here: Operated) -> None:
    allow_resubmission(here)
    row, job_id, request = joined(here, "Lost")
    known(here, job_id, row, JobState.LOST)

    shown = reelkeeper(here, "resubmit", job_id, types="y\n")
    assert shown.status == 0, shown.text
    compare("resubmit", shown.text)
    new_id = str(here.airtable.base.get("Jobs", row)["External Job ID"])
    assert new_id != job_id
    assert here.nca.toolkit.wait_idle()
    assert here.nca.toolkit.made(new_id)
    new = here.ledger.get(new_id)
    assert new is not None
    assert (new.state, new.record_id, new.origin, new.resubmissions) == (JobState.SUBMITTED, row, "operator", 1)
    handed_in = [body for path, body in here.nca.calls if path == "/v1/video/concatenate"]
    assert handed_in[-1]["video_urls"] == request["video_urls"]

    again = reelkeeper(here, "resubmit", job_id, "--yes")
    assert again.status == 1
    assert "not handed in anew: it was before" in again.text
    assert here.airtable.base.get("Jobs", row)["External Job ID"] == new_id


def allow_resubmission(here: Operated) -> None:
    text = files("reelkeeper").joinpath("mapping.toml").read_text("utf-8")
    operation = "[operations.concatenate]\n"
    assert operation in text
    allowed = f'{operation}resubmit = "nca"\nresubmit_path = "/v1/video/concatenate"\n'
    here.client("ssm").put_parameter(Name="/mapping", Type="String", Tier="Advanced", Value=text.replace(operation, allowed))
    name = f"{STACK}-persist"
    variables = here.client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    changed = {"Variables": {**variables, "MAPPING_PARAMETER": "/mapping"}}
    here.client("lambda").update_function_configuration(FunctionName=name, Environment=changed)
