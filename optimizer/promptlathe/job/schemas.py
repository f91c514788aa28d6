"""The JSON schemas that line 1 of each YAML file names, generated from the types.

python -m promptlathe.job.schemas        writes them into this checkout's content folders
"""

import json
from pathlib import Path

from promptlathe import documents
from promptlathe.job.runfile import RunFile
from promptlathe.scoring import Objective
from promptlathe.scoring.judging.texts import JudgeFile
from promptlathe.space import SearchSpace
from promptlathe.starter import starter

FILES = {
    "search_spaces/schema.json": (SearchSpace, "promptlathe search space"),
    "objectives/schema.json": (Objective, "promptlathe objective"),
    "objectives/judges/schema.json": (JudgeFile, "promptlathe judge"),
    "runs/schema.json": (RunFile, "promptlathe run file"),
}


def schemas() -> dict[str, str]:
    """The text of each schema file, by its path in a workspace."""
    return {
        name: json.dumps(documents.json_schema(kind, title), indent=1) + "\n"
        for name, (kind, title) in FILES.items()
    }


def write(folder: Path) -> None:
    """Write them below `folder`."""
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(starter())
