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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, a file's tests stay together, and those on Ray share one cluster."""
    for item in items:
        on_ray = item.get_closest_marker("ray") or "ray" in item.name
        item.add_marker(pytest.mark.xdist_group("ray" if on_ray else item.path.name))
