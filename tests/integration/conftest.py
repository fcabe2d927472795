"""What the integration tests share: one SeaweedFS for all that need a store (they are of one xdist group)."""

import random
from collections.abc import Iterator

import pytest

from local import seaweedfs
from local.seaweedfs import Store

DOMAIN = "spaces.test"
SMALL = b"a short film"
LARGE = random.Random(4).randbytes(21 * 2**20 + 7)


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """A store with NCA's bucket `made`, readable by anyone and with two films in it, and the bucket `kept`."""
    with seaweedfs.serve(domain=DOMAIN) as store:
        store.make_bucket("made", public=True)
        store.make_bucket("kept")
        store.client().put_object(Bucket="made", Key="small.mp4", Body=SMALL)
        store.client().put_object(Bucket="made", Key="large.mp4", Body=LARGE)
        yield store
