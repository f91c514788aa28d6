"""What is checked of a store before anything is sent, without importing mlflow."""

import os
import resource
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from promptlathe.errors import InputError
from promptlathe.track import check_prompt_name, check_store, default_uri
from promptlathe.track.backend import Away, Backend
from promptlathe.track.store import revisions, sqlite_file


def database(path: Path, *statements: str) -> str:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    return f"sqlite:///{path}"


def mlflow_database(path: Path, revision: str) -> str:
    return database(
        path,
        "CREATE TABLE experiments (name TEXT)",
        "CREATE TABLE alembic_version (version_num TEXT)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )


def complaint(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        check_store(uri)
    return str(caught.value)


def test_a_store_that_does_not_exist_yet_is_fine(tmp_path: Path):
    state = tmp_path / "workspace" / ".promptlathe"
    check_store(default_uri(state))
    assert not state.exists()


def test_the_schema_of_the_installed_mlflow_is_fine(tmp_path: Path):
    known, newest = revisions()
    assert newest in known
    check_store(mlflow_database(tmp_path / "mlflow.db", newest))


def test_a_newer_schema_names_the_file_and_the_fix(tmp_path: Path):
    said = complaint(mlflow_database(tmp_path / "mlflow.db", "0123456789ab"))
    assert "mlflow.db" in said
    assert "newer schema (0123456789ab)" in said
    assert "upgrade MLflow" in said


def test_an_older_schema_names_the_upgrade_command(tmp_path: Path):
    known, newest = revisions()
    older = min(known - {newest})
    assert "mlflow db upgrade sqlite:///" in complaint(mlflow_database(tmp_path / "m.db", older))


def test_a_file_that_is_no_database(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    path.write_text("once upon a time " * 100)
    assert "cannot be read as a database" in complaint(f"sqlite:///{path}")


def test_a_database_of_something_else(tmp_path: Path):
    uri = database(tmp_path / "app.db", "CREATE TABLE users (name TEXT)")
    assert "something else than MLflow" in complaint(uri)


def test_an_empty_database_is_fine(tmp_path: Path):
    check_store(database(tmp_path / "mlflow.db"))


def test_a_folder_in_the_place_of_the_file(tmp_path: Path):
    assert "is a folder" in complaint(f"sqlite:///{tmp_path}")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path):
    (tmp_path / "state").write_text("")
    assert "is not a folder" in complaint(default_uri(tmp_path / "state"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path):
    tmp_path.chmod(0o500)
    assert "is not writable" in complaint(default_uri(tmp_path))


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_the_old_file_store_is_refused(uri: str):
    assert "in a database or on a server" in complaint(uri)


def test_a_server_that_does_not_answer_is_told_and_no_obstacle(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        uri = f"http://someone:secret@127.0.0.1:{bound.getsockname()[1]}"
        said = check_store(uri)
    assert said
    assert "no MLflow server answers at http://someone:***@127.0.0.1" in said
    assert "secret" not in said


def test_sqlite_paths():
    assert sqlite_file("sqlite:////data/m.db?timeout=3") == Path("/data/m.db")
    assert sqlite_file("postgresql://host/db") is None


@pytest.mark.parametrize("name", ["", "support triage", "a/b", "prompt:1"])
def test_names_that_the_registry_does_not_take(name: str):
    with pytest.raises(InputError, match="prompt registry"):
        check_prompt_name(name, "run.yaml:9")


def test_importing_the_package_and_checking_a_store_does_not_import_mlflow(tmp_path: Path):
    code = (
        "import sys, pathlib, promptlathe.track as t;"
        f"t.check_store(t.default_uri(pathlib.Path({str(tmp_path)!r})));"
        "print([m for m in ('mlflow', 'sqlalchemy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_store_that_the_disk_has_no_room_for_is_made_later(tmp_path: Path):
    """What is there of it by then is what a kill would leave, too."""
    uri = default_uri(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(Away, match="disk"):
            Backend(uri)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "mlflow.db").exists()
    assert (tmp_path / "mlflow.db.new").exists()
    check_store(uri)
    store = Backend(uri)
    assert store.experiment("Default") == "0"
    assert sorted(path.name for path in tmp_path.glob("mlflow.db.*")) == ["mlflow.db.lock"]
