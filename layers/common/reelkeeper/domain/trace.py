"""X-Ray's trace header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`."""

import re

_ROOT = re.compile(r"(?:^|;)\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})\s*(?:;|$)")
_MORE = (re.compile(r"(?:^|;)\s*(Parent=[0-9a-f]{16})\s*(?:;|$)"), re.compile(r"(?:^|;)\s*(Sampled=[01])\s*(?:;|$)"))


def trace_id(header: str | None) -> str | None:
    """The trace a header names, or None."""
    found = _ROOT.search(header or "")
    return found[1] if found else None


def trace_header(header: str | None) -> str | None:
    """The header as AWS writes it, without what else a caller put there; None where it names no trace.

    SQS refuses a message whose header it cannot read, and a stranger's header must not cost a callback.
    """
    root = trace_id(header)
    if root is None:
        return None
    more = [found[1] for part in _MORE if (found := part.search(header or ""))]
    return ";".join([f"Root={root}", *more])
