"""The trace header: handed on as AWS writes it, whatever a caller made of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.trace import trace_header, trace_id

ROOT = "1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Root={ROOT}", f"Root={ROOT}"),
        (f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1", f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
        (
            f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0",
            f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0",
        ),
        (f"Self=1-67891234-12456789abcdef012345678;Root={ROOT}", f"Root={ROOT}"),
        (f"Sampled=?; Root={ROOT} ;Parent=NOPE", f"Root={ROOT}"),
    ],
)
def test_a_header_is_handed_on_without_what_is_not_aws(header: str, expected: str) -> None:
    assert trace_header(header) == expected
    assert trace_id(header) == ROOT


@pytest.mark.parametrize("header", [None, "", "Root=1-xyz", f"root={ROOT}", f"Root={ROOT}0", "Root=; DROP TABLE"])
def test_what_names_no_trace_is_not_handed_on(header: str | None) -> None:
    assert trace_header(header) is None
    assert trace_id(header) is None


@given(st.text())
def test_whatever_comes_what_is_handed_on_is_a_header(text: str) -> None:
    handed_on = trace_header(f"Root={ROOT};{text}")
    assert handed_on is None or re.fullmatch(rf"Root={ROOT}(;Parent=[0-9a-f]{{16}})?(;Sampled=[01])?", handed_on)
