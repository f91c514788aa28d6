"""The next command, as it works when it is typed in the current folder.

say(f"Next:  {command('run', file)}")
say(f"Next:  {command('ui', workspace=job.workspace)}")
"""

import os
from collections.abc import Sequence
from pathlib import Path

from promptlathe import command_line

__all__ = ["again", "command"]


def command(*words: str | Path, workspace: Path | None = None) -> str:
    """A line to type: how this program is called from here, and these words, quoted.

    workspace: which the command is about; `--workspace` is added where it would take another one.
    """
    named = () if workspace is None or _is_found(workspace) else ("--workspace", workspace)
    return command_line.command(*words, *named)


def again(
    settings: Sequence[str], workspace: Path | None, allow_outside: bool
) -> tuple[str | Path, ...]:
    """The options of a command on a run file, for another one on the same file."""
    from promptlathe.documents import hiding

    hidden = hiding()
    return (
        *(word for one in settings for word in ("--set", hidden(one))),
        *(("--workspace", workspace) if workspace else ()),
        *(("--allow-outside",) if allow_outside else ()),
    )


def _is_found(workspace: Path) -> bool:
    """Whether a command without `--workspace` takes this one."""
    from promptlathe.job.job import STATE

    if said := os.environ.get("PROMPTLATHE_WORKSPACE"):
        return Path(said).resolve() == workspace.resolve()
    here = Path.cwd().resolve()
    found = next((one for one in (here, *here.parents) if (one / STATE).is_dir()), here)
    return found == workspace.resolve()
