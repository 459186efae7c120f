"""The rig's own Kafka and Redis, shared by the tests of a session: they are killed and started."""

from collections.abc import Iterator

import pytest

from tests.faults.stack import RigStack


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigStack]:
    with RigStack(tmp_path_factory.mktemp("rig"), say=lambda _: None) as stack:
        yield stack
