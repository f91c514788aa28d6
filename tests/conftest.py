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


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that a test is parametrized with, `indirect`; ready to use."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param
