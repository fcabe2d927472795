"""The whole world on one machine: the deployed stack, with a stand-in NCA and a stand-in Airtable it is connected to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from local import airtable as airtable_stand_in
from local import nca as nca_stand_in
from local.airtable import Served as Airtable
from local.nca import LIST_KEY, Nca
from local.ports import Report, silent
from local.stack import GATEWAY_PORT, Stack, stack

_MAPPING = "/reelkeeper/mapping"


@dataclass(frozen=True, slots=True)
class World:
    """The three that talk to each other."""

    aws: Stack
    nca: Nca
    airtable: Airtable


@contextmanager
def world(
    *,
    parameters: Mapping[str, str] | None = None,
    report: Report = silent,
    port: int = GATEWAY_PORT,
    exposed: bool = False,
    rate_limited: bool = True,
    mapping: str | None = None,
) -> Iterator[World]:
    """Start everything, connect it, end it all afterwards; `parameters` and the rest are those of `local.stack.stack`.

    `mapping` is the text of a mapping.toml instead of the built-in one. `rate_limited` False lets Airtable take more than five
    requests a second.
    """
    with nca_stand_in.serve() as nca, airtable_stand_in.serve(rate_limited=rate_limited) as airtable:
        # Files come from NCA, and with `reelkeeper backfill` from Airtable's own links.
        local = f"{nca.host},{airtable.address.removeprefix('http://')}"
        # The stand-in is one process with one worker.
        lost_jobs = {"NcaBucketUrl": nca.bucket_url, "NcaWorkers": "1"}
        own = {"MappingParameter": _MAPPING} if mapping is not None else {}
        connected = {
            "AirtableEndpoint": airtable.address,
            "NcaUrl": nca.address,
            "SourceLocalHosts": local,
            **lost_jobs,
            **own,
        }
        with stack(parameters={**connected, **(parameters or {})}, report=report, port=port, exposed=exposed) as aws:
            keys = {"nca_bucket_access_key": LIST_KEY, "nca_bucket_secret_key": "local"}
            aws.put_secret(airtable_token=airtable.token, nca_api_key=nca.api_key, **keys)
            if mapping is not None:
                aws.client("ssm").put_parameter(Name=_MAPPING, Type="String", Tier="Advanced", Value=mapping)
            yield World(aws, nca, airtable)
