"""Why files vanish: each known cause is found where it applies, and nowhere else."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reelkeeper.domain.causes import BucketFacts, Check, Expiry, Lasting, lasting, of_addresses, of_source, of_target

HEALTHY = BucketFacts("kept", exists=True, expiries=(), versioning="enabled", public=True)


def verdicts(checks: Iterable[Check]) -> list[str]:
    return [check.verdict for check in checks]


def facts(**changes: Any) -> BucketFacts:
    return replace(HEALTHY, **changes)


def test_a_healthy_bucket_is_good() -> None:
    assert verdicts(of_target(HEALTHY)) == ["good", "good"]


@pytest.mark.parametrize(
    ("prefix", "verdict"), [("", "fail"), ("outputs/", "fail"), ("outputs/2024", "fail"), ("out", "fail"), ("inbox/", "good")]
)
def test_a_rule_that_deletes_outputs_is_found_and_one_beside_them_is_not(prefix: str, verdict: str) -> None:
    check = next(iter(of_target(facts(expiries=(Expiry("daily", prefix, 1),)))))
    assert check.verdict == verdict
    if verdict == "fail":
        assert "'daily' deletes" in check.what
        assert "after 1 day" in check.what
        assert check.remedy


@pytest.mark.parametrize(("versioning", "verdict"), [("off", "warn"), ("suspended", "warn"), (None, "unknown")])
def test_a_bucket_without_versions_is_said(versioning: str | None, verdict: str) -> None:
    assert verdicts(of_target(facts(versioning=versioning))) == ["good", verdict]


def test_what_cannot_be_read_is_unknown_and_never_good() -> None:
    assert verdicts(of_target(facts(expiries=None, versioning=None))) == ["unknown", "unknown"]
    assert verdicts(of_target(BucketFacts("kept", exists=False))) == ["fail"]
    assert verdicts(of_source(BucketFacts("nca"))) == ["unknown"]


def test_ncas_files_may_expire_and_it_is_said_when() -> None:
    (check,) = of_source(BucketFacts("nca", exists=True, expiries=(Expiry("tmp", "", None),)))
    assert (check.verdict, "on a date" in check.what) == ("warn", True)
    assert verdicts(of_source(BucketFacts("nca", exists=True, expiries=()))) == ["good"]


@pytest.mark.parametrize(
    ("url", "lasts"),
    [
        ("https://d111.cloudfront.net/outputs/a/0-a.mp4", "permanent"),
        ("https://v5.airtableusercontent.com/v3/u/40/x", "airtable"),
        ("https://s3.example.com/b/a.mp4?X-Amz-Algorithm=A&X-Amz-Signature=abc", "signed"),
        ("https://s3.example.com/b/a.mp4?AWSAccessKeyId=x&Signature=y&Expires=1", "signed"),
        ("https://media.nca.example.com/b/a.mp4", "source"),
        ("https://a.spaces.example/b.mp4", "source"),
        ("http://127.0.0.1:9000/b.mp4", "source"),
        ("http://127.0.0.1:9001/b.mp4", "elsewhere"),
        ("https://youtube.com/watch?v=1", "elsewhere"),
        ("https://[broken", "elsewhere"),
        ("https://x:notaport/y", "elsewhere"),
    ],
)
def test_an_address_is_told_by_how_long_it_lasts(url: str, lasts: str) -> None:
    hosts = frozenset({"media.nca.example.com", ".spaces.example", "127.0.0.1:9000"})
    assert lasting(url, permanent="https://d111.cloudfront.net/{key}", source_hosts=hosts) == lasts


def test_each_kind_of_address_that_dies_is_a_cause_of_its_own() -> None:
    kinds: list[Lasting] = ["permanent", "airtable", "signed", "source", "elsewhere"]
    checks = list(of_addresses([(f"Videos.URL rec{kind}", kind) for kind in kinds]))
    assert verdicts(checks) == ["fail", "fail", "fail"]
    assert ["recairtable" in checks[0].what, "recsigned" in checks[1].what, "recsource" in checks[2].what] == [True] * 3
    assert verdicts(of_addresses([])) == ["good", "good", "good"]


def test_what_we_kept_in_another_store_is_permanent_though_nca_delivers_from_there() -> None:
    hosts = frozenset({"space.nyc3.digitaloceanspaces.com"})
    kept = "https://space.nyc3.digitaloceanspaces.com/outputs/596107c1-6a62-45a8-957d-fba778a09755/0-film.mp4"
    made = "https://space.nyc3.digitaloceanspaces.com/596107c1-6a62-45a8-957d-fba778a09755_output_0.mp4"
    found = [lasting(url, permanent="https://d.cloudfront.net/{key}", source_hosts=hosts) for url in (kept, made)]
    assert found == ["permanent", "source"]
