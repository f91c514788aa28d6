"""Fixtures that several files share."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.databases import Postgres

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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store with its tables: making them takes two seconds."""
    from promptlathe.track import default_uri
    from promptlathe.track.backend import ENVIRONMENT, Backend

    state = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        Backend(default_uri(state))
    return state


@pytest.fixture
def state(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace's state folder with an empty MLflow store, for MLflow in this process."""
    from promptlathe.track.backend import ENVIRONMENT

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def tracked(migrated: Path, tmp_path: Path) -> Path:
    """A workspace whose MLflow store has its tables."""
    shutil.copytree(migrated, tmp_path / ".promptlathe", dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def client(state: Path) -> Any:
    """MLflow's own client of that store."""
    from mlflow.tracking import MlflowClient

    from promptlathe.track import default_uri

    return MlflowClient(default_uri(state), default_uri(state))


@pytest.fixture(scope="session")
def postgres() -> Iterator["Postgres"]:
    """One PostgreSQL server for all tests."""
    from tests.databases import postgres

    pytest.importorskip("psycopg")
    with postgres() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed")
        yield server


@pytest.fixture(scope="session")
def mlflow_server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one MLflow server for all tests: starting it takes seconds."""
    import socket

    from promptlathe.track import default_artifacts, default_uri
    from promptlathe.track.ui import ui_server

    state = tmp_path_factory.mktemp("served")
    shutil.copytree(migrated, state, dirs_exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ui_server(default_uri(state), default_artifacts(state), host="127.0.0.1", port=port) as (
        url,
        _,
    ):
        yield url


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, tests that share what takes seconds to make stay in one process.

    All others go to whichever process is free. Groups begin first, then what is slow.
    """
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _group(item: pytest.Item) -> str | None:
    """Ray's cluster, a server, or the fixtures of a module."""
    if item.get_closest_marker("ray") or "ray" in item.name:
        return "ray"
    for server in ("postgres", "mlflow_server"):
        if server in item.fixturenames:
            return server
    made = item._fixtureinfo.name2fixturedefs.values()
    shared = any(fixtures[-1].scope == "module" for fixtures in made)
    return item.path.name if shared else None
