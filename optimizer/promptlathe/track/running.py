"""Which runs are carried out: each holds `running/RUN.lock` in the workspace as long as it is."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


def lock_of(state: Path, run: str) -> FileLock:
    """What the process that carries the run out holds. It is free when that ended, however."""
    folder = state / "running"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{run}.lock", timeout=0)


def begun_here(state: Path, run: str) -> bool:
    """Whether the run was begun in this workspace, and has not ended."""
    return (state / "running" / f"{run}.lock").exists()


def forget(state: Path, run: str) -> None:
    """The run has ended."""
    (state / "running" / f"{run}.lock").unlink(missing_ok=True)


def carried_out(state: Path, run: str) -> bool:
    """Whether a process carries the run out now."""
    if not begun_here(state, run):
        return False
    try:
        with lock_of(state, run):
            return False
    except Timeout:
        return True


def under_way(state: Path) -> list[str]:
    """The runs that are carried out now in this workspace."""
    with suppress(OSError):
        names = sorted(path.stem for path in (state / "running").glob("*.lock"))
        return [name for name in names if carried_out(state, name)]
    return []
