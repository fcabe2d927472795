"""The keys people can change, by what they open: each is tried where it is used before it goes into the secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reelkeeper.adapters.airtable import Airtable
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.nca import Nca, NoStatusRoute
from reelkeeper.adapters.nca_bucket import NcaBucket
from reelkeeper.adapters.pace import Pace
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.place import Place
from reelkeeper.domain.errors import Refused
from reelkeeper.services.mapping_of import mapping_of

# What a trial asks for; nobody has it.
_NOBODYS = "reelkeeper-rotates"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that change together: their names in the secret, the trial they must pass, and what to do with the earlier ones.

    The trial raises Refused or RetryLater with the reason, or Unusable where such keys are of no use here.
    """

    names: tuple[str, ...]
    fits: Callable[[Place, Mapping[str, str]], None]
    afterwards: str


def _fits_airtable(place: Place, new: Mapping[str, str]) -> None:
    settings, mapping = place.settings.airtable, mapping_of(place.settings)
    pace = Pace(place.client("dynamodb"), place.output("LedgerTable"), share=settings.share)
    airtable = Airtable(token=new["airtable_token"], base_id=settings.base_id, endpoint=settings.endpoint, pace=pace)
    next(airtable.pages(mapping.jobs.table, fields=(mapping.jobs.status,)), [])


def _fits_nca(place: Place, new: Mapping[str, str]) -> None:
    url = place.settings.nca_url
    if not url:
        raise Unusable("NcaUrl is empty, so that no key of NCA's is used: make deploy sets it.")
    try:
        Nca(url, new["nca_api_key"]).build()
    except NoStatusRoute:
        # It asks for the key before it says so.
        return


def _fits_nca_bucket(place: Place, new: Mapping[str, str]) -> None:
    settings = place.settings
    if not settings.nca_bucket.url:
        raise Unusable("NcaBucketUrl is empty, so that no keys of NCA's bucket are used: make deploy sets it.")
    pair = new["nca_bucket_access_key"], new["nca_bucket_secret_key"]
    NcaBucket(settings.nca_bucket, settings.source, keys=pair).search(_NOBODYS, at=datetime.now(UTC))


def _fits_storage(place: Place, new: Mapping[str, str]) -> None:
    storage = place.settings.storage
    if not storage.endpoint:
        raise Unusable("Files are kept in the stack's own bucket, which needs no keys (StorageEndpoint is empty).")
    Bucket(storage, keys=(new["storage_access_key"], new["storage_secret_key"])).head(_NOBODYS)


def _fits_sentry(_: Place, new: Mapping[str, str]) -> None:
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 - only who has one pays for its import

    try:
        Dsn(new["sentry_dsn"])
    except BadDsn:
        raise Refused("that is no DSN; copy it again from the project's settings in Sentry") from None


KEYS: Mapping[str, Keys] = {
    "airtable": Keys(("airtable_token",), _fits_airtable, "Revoke the earlier one at Airtable when you like."),
    "nca": Keys(("nca_api_key",), _fits_nca, "NCA has one key at a time: it is in force there already."),
    "nca-bucket": Keys(
        ("nca_bucket_access_key", "nca_bucket_secret_key"), _fits_nca_bucket, "Revoke the earlier pair when you like."
    ),
    "sentry": Keys(("sentry_dsn",), _fits_sentry, "Faults go there from each function's next start."),
    "storage": Keys(("storage_access_key", "storage_secret_key"), _fits_storage, "Revoke the earlier pair when you like."),
}
