"""What Airtable, NCA and the store say of the answers, asked before anything is made; and what is missing."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import requests

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.verdicts import KeyRefused
from reelkeeper.domain.errors import RetryLater
from reelkeeper.settings import StorageSettings
from scripts.answers import Refused, needed

TIMEOUT_S = 20


def doubts(values: Mapping[str, str], keys: Mapping[str, str], there: Collection[str]) -> Iterator[str]:
    """A line for everything that may not work; raises Refused where it cannot. `keys` are given now, others are `there`."""
    for key in needed(values):
        if key.name not in keys and key.name not in there:
            yield f"There is no {key.name} yet; afterwards: reelkeeper rotate {key.rotated}"
    yield from _of_airtable(values, keys.get("airtable_token"))
    yield from _of_nca(values.get("NcaUrl"), keys.get("nca_api_key"))
    yield from _of_store(values, keys.get("storage_access_key", ""), keys.get("storage_secret_key", ""))
    if not values.get("AlarmEmail"):
        yield "Without AlarmEmail nobody is told when a person must act."


def _of_airtable(values: Mapping[str, str], token: str | None) -> Iterator[str]:
    if not token:
        return
    base = values["AirtableBaseId"]
    url = f"{values.get('AirtableEndpoint') or 'https://api.airtable.com'}/v0/{base}/Jobs"
    status = _status("GET", url, {"authorization": f"Bearer {token}"}, params={"maxRecords": 1})
    if status == 401:
        raise Refused("Airtable refuses the token: make one at airtable.com/create/tokens and give it again.")
    if status == 403:
        raise Refused(f"Airtable shows this token no base {base}: check the id, and add the base to the token.")
    if status != 200:
        yield f"Airtable answers {status or 'nothing'} for table Jobs of {base}; reelkeeper check airtable says more later."


def _of_nca(url: str | None, key: str | None) -> Iterator[str]:
    if not url:
        yield "Without NcaUrl a job whose callback is lost cannot be found again."
        return
    # It knows no such job, and says so only to who has the key.
    asked = f"{url.rstrip('/')}/v1/toolkit/job/status"
    status = _status("POST", asked, {"x-api-key": key} if key else {}, json={"job_id": "reelkeeper-deploys"})
    if status == 401 and key:
        raise Refused("NCA refuses the key: give the API_KEY that NCA itself runs with.")
    if status is None:
        yield f"NCA does not answer at {url} from here; the poller must reach it to find lost callbacks."


def _of_store(values: Mapping[str, str], access_key: str, secret_key: str) -> Iterator[str]:
    shown = values.get("PublicUrlTemplate", "")
    if not values.get("StorageEndpoint"):
        if shown:
            yield (
                f"Files are kept in the stack's own bucket and shown at {shown}, which must lead there; "
                "--set PublicUrlTemplate= takes CloudFront's address."
            )
        return
    if not access_key or not secret_key:
        return
    storage = StorageSettings(
        bucket=values.get("StorageBucket", ""),
        public_url=shown,
        endpoint=values["StorageEndpoint"],
        region=values.get("StorageRegion", ""),
        acl=values.get("StorageAcl", ""),
        addressing=values.get("StorageAddressing") or "auto",
    )
    try:
        Bucket(storage, keys=(access_key, secret_key)).head("reelkeeper-deploys")
    except KeyRefused as error:
        raise Refused(f"The store does not take these keys for {storage.bucket}: {error.reason}") from error
    except RetryLater as error:
        yield f"The store could not be tried: {error.reason}"


def _status(method: str, url: str, headers: Mapping[str, str], **asked: Any) -> int | None:
    try:
        return requests.request(method, url, headers=dict(headers), timeout=TIMEOUT_S, **asked).status_code
    except requests.RequestException:
        return None
