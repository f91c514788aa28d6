"""Fixtures that several files share."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("promptlathe.testing")

from promptlathe.runtime.cluster import Cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """One Ray cluster for all tests: starting it takes seconds."""
    with Cluster("local"):
        yield
