"""The run file: space, objective, model, budget, search, parallel, tracking."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from promptlathe import documents
from promptlathe.documents import Document, Loc
from promptlathe.errors import InputError
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.scoring import Objective
from promptlathe.search import PolicyName
from promptlathe.search.operators import NAMES, USUAL
from promptlathe.space import SearchSpace

PROMPT_NAME = re.compile(r"[A-Za-z0-9_.-]+")

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class BudgetOptions(documents.Model):
    """Upper limits, checked before a call is sent; leave out what shall not be limited."""

    calls: Count | None = Field(default=None, description="Calls of every role")
    tokens: Count | None = Field(default=None, description="Input and output tokens together")
    usd: Positive | None = Field(default=None, description="Needs `prices`")
    minutes: Positive | None = Field(default=None, description="Wall-clock time")

    @property
    def record(self) -> Budget:
        """The limits; 1,000 calls when there are none."""
        limits = Budget(self.calls, self.tokens, self.usd, self.minutes)
        return Budget(calls=1000) if limits == Budget() else limits


class SearchOptions(documents.Model):
    """How candidates are chosen."""

    policy: PolicyName = Field(default="lathe", description="What decides which calls to make")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of everything that is random")
    warm_start: bool = Field(
        default=True,
        description="Learn from earlier runs of the same objective in the ledger (lathe only)",
    )
    operators: tuple[str, ...] | None = Field(
        default=None,
        description=f"What makes new levels: {', '.join(NAMES)}, or file.py:function. By default "
        f"{', '.join(USUAL)}, when a component is marked `rewrite: true`",
    )
    rewrite_share: float = Field(
        default=0.2,
        ge=0,
        le=0.9,
        description="Share of the budget (calls, tokens, USD) that may go to making levels: "
        "requests to the rewriter, and rows of `train` that are read for them",
    )


class ParallelOptions(documents.Model):
    """How many calls at a time, and where they are made."""

    engine: Literal["local", "ray"] = "local"
    concurrency: int = Field(default=16, ge=1, le=4096, description="Calls in flight")
    workers: int = Field(default=2, ge=1, le=1024, description="Ray actors")
    address: str = Field(
        default="auto", description="Ray cluster; auto: the running one, or a new one"
    )


class TrackOptions(documents.Model):
    """Where MLflow records the job."""

    experiment: str | None = Field(default=None, min_length=1)
    prompt: str | None = Field(default=None, description="Name in the prompt registry")
    promote: Literal["if_better", "never"] = "if_better"
    uri: str | None = Field(
        default=None, description="MLflow tracking URI; by default in the workspace"
    )

    @field_validator("prompt")
    @classmethod
    def _registry_name(cls, name: str | None) -> str | None:
        if name is not None and not PROMPT_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a name for the prompt registry",
                "use letters, digits, '-', '_' and '.' only",
            )
        return name


Part = Annotated[str | dict[str, Any], Field(description="A path, or the content itself")]


class RunFile(documents.Model):
    """A whole job in one file."""

    space: Part
    objective: Part
    model: Annotated[
        ModelSettings,
        BeforeValidator(lambda given: given, json_schema_input_type=str | ModelSettings),
    ]
    rewriter: Annotated[
        ModelSettings | None,
        BeforeValidator(lambda given: given, json_schema_input_type=str | ModelSettings | None),
    ] = Field(default=None, description="Who writes new texts; by default the model itself")
    prices: Prices = Field(default_factory=Prices, description="USD per million tokens, by model")
    budget: BudgetOptions = Field(default_factory=lambda: BudgetOptions())
    search: SearchOptions = Field(default_factory=lambda: SearchOptions())
    parallel: ParallelOptions = Field(default_factory=lambda: ParallelOptions())
    track: TrackOptions | Literal[False] = Field(default_factory=lambda: TrackOptions())
    ledger: str | None = Field(
        default=None, description="SQLAlchemy URL; by default in the workspace"
    )

    @classmethod
    def load(cls, path: str | Path, settings: tuple[tuple[str, str], ...] = ()) -> "Loaded":
        """Read a run file and the files that it names; `settings` are `--set` pairs.

        Raises InputError with file and line.
        """
        document = documents.load(path)
        for key, value in settings:
            document = documents.set_value(document, key, value)
        file = documents.parse(cls, document)
        parts = {name: _part(document, name) for name in ("space", "objective")}
        space = SearchSpace.from_document(parts["space"])
        objective = Objective.from_document(parts["objective"])
        return Loaded(file, space, objective, {**parts, "run": document})


@dataclass(frozen=True)
class Loaded:
    """A run file with its space and objective."""

    file: RunFile
    space: SearchSpace
    objective: Objective
    documents: Mapping[str, Document]
    """Where `space`, `objective` and `run` were read from."""

    def place(self, part: str, loc: Loc = ()) -> str | None:
        """The file and line that say something about `loc` of a part, for messages."""
        return self.documents[part].where(loc)


def _part(document: Document, name: str) -> Document:
    """A part that stands in the run file, or in the file that it names."""
    given = document.data[name]
    if not isinstance(given, str):
        return document.at(name)
    path = document.folder / given
    if not path.is_file():
        raise InputError(
            f"the {name} names {given!r}, and there is no such file",
            document.where((name,)),
            f"looked for {path}; paths are relative to the run file",
        )
    return documents.load(path)
