"""Fixtures that several files share."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.databases import Postgres

pytest.register_assert_rewrite("promptlathe.testing")
# litellm, which DSPy brings, looks for prices on the web when it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
for name in (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "PROMPTLATHE_LEDGER",
):  # tests make stores of their own
    os.environ.pop(name, None)

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, what is slow begins first: no process is left alone with it at the end. Tests
    that share something keep their order."""
    if not hasattr(config, "workerinput"):
        return
    together = _together()

    def unit(item: pytest.Item) -> Path | str:
        return item.path if item.path in together else item.nodeid

    slow = {unit(item) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: unit(item) not in slow)


SHARING = re.compile(r'scope="module"|postgres: |mlflow_server')
"""Where a file's tests share what takes seconds to make."""


def _together() -> set[Path]:
    """The files whose tests share something."""
    files = Path(__file__).parent.glob("test_*.py")
    return {path for path in files if SHARING.search(path.read_text("utf-8"))}


ON_RAY = re.compile(r"\[ray[\]-]|_ray(_|$)|TestRay|engines_ray")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Side by side, tests that share something stay in one process; others go to a free one.

    pytest-xdist's own groups (3.8.0) have no effect with pytest 9.2: they are written into a name
    that this does not read.
    """
    from xdist.scheduler import LoadScopeScheduling

    together = {str(path.relative_to(config.rootpath)) for path in _together()}

    class Scheduling(LoadScopeScheduling):
        """Large groups first."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if ON_RAY.search(nodeid):
                return "ray"
            return file if file in together else nodeid

    return Scheduling(config, log)
