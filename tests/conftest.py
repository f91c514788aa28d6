"""Fixtures that several files share."""

from collections.abc import Iterator

import pytest

from promptlathe.runtime.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """One Ray cluster for all tests: starting it takes seconds."""
    with Cluster("local"):
        yield
