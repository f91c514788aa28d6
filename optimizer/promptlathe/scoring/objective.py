"""The objective: what a good prompt is good at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from promptlathe import documents
from promptlathe.data.dataset import Source, in_mlflow
from promptlathe.data.examples import Examples, Sources, divided, first_target, read_sources
from promptlathe.data.mlflow_rows import MLFLOW
from promptlathe.data.placements import NOWHERE, Placement, Placements
from promptlathe.data.quality import label_counts, label_notes
from promptlathe.data.splits import SPLITS, Splits
from promptlathe.records import Api, Cell, Example, Failure, Outcome, Split, Trace, content_hash
from promptlathe.runtime.seam import Context
from promptlathe.scoring.checks import check_goal, check_limits
from promptlathe.scoring.contract import Contract, contract_of
from promptlathe.scoring.entries import AnyScorer
from promptlathe.scoring.goal import Goal, parse_goal
from promptlathe.scoring.judging import Compare, Judge
from promptlathe.scoring.judging.judge import Asking
from promptlathe.scoring.limits import Limits
from promptlathe.scoring.questions import Questions
from promptlathe.scoring.ranges import ranges_of
from promptlathe.scoring.scorecard import Scorecard
from promptlathe.scoring.scorer import Range, Rival, Scorer, Surroundings

MOST_LABELS = 200
"""Different right answers, beyond which they are no labels."""
OF_SCORES = ("_scorecard", "digest", "scoring")
OF_ROWS = ("_examples", *OF_SCORES)
"""What is made once: by how outputs are scored, and by the rows."""


class Objective(documents.Model):
    """A dataset with its splits, the scorers of an output, and the goal.

    dataset: a file (JSONL, CSV, Parquet), `hf:name`, `mlflow:name` (an evaluation dataset),
        `{"traces": experiment, …}` in MLflow, a list of dicts, or a data frame (pandas, polars,
        PyArrow); may be left out when `splits` has a dataset of its own for every part. Paths are
        relative to the YAML file, in Python to the working directory.
    scorers: one or more (`scorer=` for one): `exact_match("label")`, `"metric.py:function"`, …
    goal: `maximize NAME`, `minimize NAME` or a weighted sum; by default, maximize the first.
    splits: `Splits(...)` or its fields as a dict.
    feedback: what an application gathers: rows with the labels of people, and corrections of rows
        by `id` or by their input. New rows are held out first (docs/guide/fresh-rows.md).
    limits: what a prompt may take at most, `{"output_tokens": "<= 200"}`, and score, `">= 0.99"`.
    license: of the data, which is said where they are exported.

    The data are read when they are first asked for. Raises `InputError` for anything wrong in
    the declaration at once, and for anything wrong in the data then, with file and line.
    """

    dataset: Source | None = None
    feedback: Source | None = None
    splits: Splits = Splits()
    scorers: Annotated[tuple[AnyScorer, ...], Field(min_length=1)]
    goal: str | None = None
    limits: Limits = Limits()
    license: str | None = Field(default=None, min_length=1)
    _document: documents.Document = PrivateAttr(default=documents.Document(None))
    _api: Api = PrivateAttr(default="chat")
    """By which judges are asked."""
    _store: str | None = PrivateAttr(default=None)
    """Where rows are that MLflow keeps; None: MLFLOW_TRACKING_URI."""
    _rivals: Mapping[str, Rival] = PrivateAttr(default_factory=dict)
    """Prompts that answers are compared with."""
    _memory: Callable[[], Placements] | None = PrivateAttr(default=None)
    """Says where earlier jobs had the rows."""
    _shown: frozenset[str] | None = PrivateAttr(default=None)
    """The fields that prompts show, which make a row's input; None: all but `id` and targets."""

    def __init__(
        self,
        dataset: Any = None,
        *,
        scorer: Any = None,
        scorers: Sequence[Any] = (),
        goal: str | None = None,
        splits: Splits | Mapping[str, Any] | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        feedback: Any = None,
        license: str | None = None,
    ) -> None:
        given = [*([] if scorer is None else [scorer]), *scorers]
        data = {
            "dataset": dataset,
            "feedback": feedback,
            "scorers": given,
            "goal": goal,
            "splits": splits,
            "limits": limits,
            "license": license,
        }
        super().__init__(**{key: value for key, value in data.items() if value is not None})
        self._check_declared()

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # see documents.Model

    @field_validator("scorers")
    @classmethod
    def _apart(cls, scorers: tuple[Scorer, ...]) -> tuple[Scorer, ...]:
        names = [scorer.name for scorer in scorers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two scorers have the name {name!r}", "add `name: …` to one")
        return scorers

    @field_validator("goal")
    @classmethod
    def _reachable(cls, goal: str | None, info: ValidationInfo) -> str | None:
        scorers: Sequence[Scorer] = info.data.get("scorers", ())
        wanted = parse_goal(goal).weights if goal is not None else ()
        names = [scorer.name for scorer in scorers]
        if not scorers or any(scorer.keyword == "function" for scorer in scorers):
            return goal  # a function may give scores of any name
        for name in wanted:
            if name not in names:
                near = documents.nearest(name, names)
                hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(names)}"
                raise ValueError(f"{name!r} is no scorer", hint)
        return goal

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.splits.shares and self.dataset is None:
            raise ValueError(
                "the dataset is missing", "add  dataset: FILE  (or a file for each split)"
            )
        if self.dataset is not None and not self.splits.shares:
            raise ValueError("each split has its own file", "leave the dataset out")
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """In a line: the data are named or counted, not shown."""
        parts = {"dataset": self.dataset, **self.splits.sources, "feedback": self.feedback}
        yield from ((name, _named(part)) for name, part in parts.items() if part is not None)
        yield "scorers", [scorer.name for scorer in self.scorers]
        yield "goal", str(self.goal or f"maximize {self.scorers[0].name}")
        if self.limits.all:
            yield "limits", [str(limit) for limit in self.limits.all]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a YAML file. Raises `InputError` with file and line."""
        return cls.from_document(documents.load(path))

    @classmethod
    def from_document(cls, document: documents.Document) -> Self:
        """A part of a file, or a whole one; paths are relative to its folder."""
        objective = documents.parse(cls, document)
        objective._document = document
        objective._check_declared()
        return objective

    def _check_declared(self) -> None:
        """The limits and the goal. Raises `InputError`."""
        check_limits(self.limits.all, self.scorers, self.ranges, self._document)
        check_goal(
            self._goal.weights,
            self.scorers,
            self._document.where(("goal",) if self.goal else ("scorers",)),
        )

    @property
    def in_mlflow(self) -> bool:
        """Whether rows of it are kept by MLflow."""
        sources = (self.dataset, self.feedback, *self.splits.sources.values())
        return any(in_mlflow(one) for one in sources)

    def reading(self, store: str) -> Self:
        """The same objective, whose rows are read from MLflow's store at this tracking URI."""
        return self._with("_store", store, stale=("_sources", *OF_ROWS))

    def remembering(self, memory: Callable[[], Placements]) -> Self:
        """The same objective, whose rows stay where earlier jobs had them, and new ones are held
        out first. `memory` says where that was; it is asked when the rows are divided."""
        return self._with("_memory", memory, stale=OF_ROWS)

    def judged_by(self, api: Api) -> Self:
        """The same objective, where judges are asked by this API."""
        return self._with("_api", api, stale=("_scorecard",))

    def against(self, rivals: Mapping[str, Rival]) -> Self:
        """The same objective, where answers are compared with those of these prompts."""
        return self._with("_rivals", rivals, stale=OF_SCORES)

    def showing(self, fields: frozenset[str]) -> Self:
        """The same objective for prompts that show these fields only: rows that are equal in them
        have the same input."""
        # What feedback corrects depends on what an input is.
        sources = ("_sources",) if self.feedback is not None else ()
        return self._with("_shown", fields, stale=(*sources, *OF_ROWS))

    def _with(self, name: str, value: object, *, stale: Sequence[str]) -> Self:
        """With another value of a private attribute, and without what was made by the last."""
        if value == getattr(self, name):
            return self
        other = self.model_copy()
        setattr(other, name, value)
        for made in stale:
            vars(other).pop(made, None)
        return other

    def check(self) -> None:
        """Read the data and load the functions now, so that a job fails before it pays."""
        _ = self._examples, self._scorecard

    def to_dict(self) -> dict[str, Any]:
        """What the YAML form holds; the paths stay as they were written.

        Raises `InputError` for a scorer that is a Python function.
        """
        data = self.model_dump(mode="json", exclude_defaults=True, exclude={"scorers", "goal"})
        goal = {"goal": self.goal} if self.goal else {}
        return {**data, "scorers": [scorer.entry() for scorer in self.scorers], **goal}

    def to_yaml(self) -> str:
        """The YAML form, which `load` reads back."""
        return documents.to_yaml(self.to_dict())

    @property
    def name(self) -> str:
        """The folder of an `objective.yaml`, else the file's stem, else the dataset's."""
        path = self._document.path
        if path is None and isinstance(self.dataset, str):
            path = Path(self.dataset.removeprefix(MLFLOW))
        if path is None:
            return "objective"
        return path.resolve().parent.name if path.stem == "objective" else path.stem

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self._document.folder

    @property
    def within(self) -> documents.Within:
        """The folders that they may not lead out of."""
        return self._document.within

    @property
    def target(self) -> str | None:
        """The row's field with the right answer: that of the first scorer that has one."""
        return first_target(self.scorers)

    @property
    def contract(self) -> Contract:
        """How outputs are read: by the scorer that the goal names first."""
        return contract_of(self._first)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """(worst, best) value of the goal; None where the range of a score is not known."""
        return self._goal.bounds(self.ranges)

    @property
    def weights(self) -> Mapping[str, float]:
        """Of each score in the goal, negative where less is better."""
        return self._goal.weights

    @property
    def ranges(self) -> Mapping[str, Range | None]:
        """(lowest, highest) of each score that the goal or a limit names; None where not known."""
        return ranges_of(self.scorers, self._goal, self.limits.all)

    @property
    def judges(self) -> tuple[str, ...]:
        """Names of the scorers that are judges."""
        return tuple(one.name for one in self.scorers if isinstance(one, Asking | Questions))

    @property
    def judge_calls(self) -> int:
        """Calls to the judge for one output, at most."""
        judges = [scorer for scorer in self.scorers if isinstance(scorer, Judge)]
        pairs = sum(isinstance(scorer, Compare) for scorer in self.scorers)
        lists = sum(isinstance(scorer, Questions) for scorer in self.scorers)
        if self._api == "decisions":
            steps = {one.step for one in judges}
            together = sum(max(o.samples for o in judges if o.step == step) for step in steps)
            return together + pairs + lists
        return sum(one.samples for one in judges) + 2 * pairs + lists

    @property
    def rivals(self) -> frozenset[str]:
        """The prompts that answers are compared with: `seed`, `champion`."""
        compared = (scorer for scorer in self.scorers if isinstance(scorer, Compare))
        return frozenset(one.rival for one in compared if one.rival)

    @property
    def may_judge(self) -> bool:
        """A scorer may call a model: a judge, or a function of yours that takes `ctx`."""
        return any(scorer.may_judge(self._surroundings) for scorer in self.scorers)

    def examples(self, split: Split) -> tuple[Example, ...]:
        """The examples of a split, in the seeded order, of which any prefix is a fair sample."""
        return self._examples.by_split[split]

    @property
    def rows(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        """All rows, each with its file and line."""
        return [(row.values, row.where) for row in self._examples.rows]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that every row has a value in."""
        return self._examples.fields

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of the rows, in the order in which they come first."""
        return tuple(dict.fromkeys(name for row in self._sources.rows for name in row.values))

    @property
    def partly(self) -> Mapping[str, str]:
        """The fields that some rows lack, with these rows' places."""
        return self._examples.partly

    def check_values(self, field: str, check: Callable[[Any], object]) -> None:
        """`check` is given the field's value of each row, and raises ValueError(what, fix) for a
        wrong one. Raises `InputError` then, with file and line."""
        self._examples.check(field, check)

    @property
    def repeated(self) -> Mapping[Split, int]:
        """Rows of each split, those with equal inputs included, of which one counts."""
        return self._examples.repeated

    @property
    def unopened(self) -> frozenset[str]:
        """Ids of the `test` examples that no decision has seen, as far as that is remembered."""
        return self._examples.unopened

    @property
    def batches(self) -> Mapping[str, int]:
        """With which job each `test` example came, by its id: 0 for the first one."""
        return self._examples.batches

    @property
    def shift(self) -> str | None:
        """Whether rows that no job had read otherwise than those before, in words."""
        return self._examples.shift

    @property
    def placements(self) -> Sequence[Placement]:
        """Where each row is, of equal inputs one."""
        return self._examples.placements

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Rows by label, the commonest first; none without labels."""
        if self.target is None or not self.labels:
            return {}
        return label_counts(self._examples.rows, self.target)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the data, in words."""
        notes = self._examples.notes
        if self.target is not None and (counts := self.label_counts):
            notes += tuple(label_notes(self._examples.rows, self.target, counts))
        return notes

    @property
    def labels(self) -> Sequence[str]:
        """The right answers, where they are labels: a few that many rows share; else none."""
        if self.target is None or self._is_whole(self.target):
            return ()
        found = self._examples.labels(self.target)
        few = min(MOST_LABELS, max(2, len(self._examples.rows) // 2))
        return found if len(found) <= few else ()

    def _is_whole(self, target: str) -> bool:
        return any(s.whole_target for s in self.scorers if s.target_field == target)

    @cached_property
    def digest(self) -> str:
        """The content hash of all that decides a score: examples, scorers, functions, goal."""
        ids = {split: [e.id for e in self.examples(split)] for split in SPLITS}
        scorers = [scorer.fingerprint(self._surroundings) for scorer in self.scorers]
        return content_hash([ids, scorers, dict(self._goal.weights)])

    @cached_property
    def scoring(self) -> str:
        """The content hash of what makes a score of an example and an answer.

        Unlike `digest` it stays the same when rows come or go.
        """
        asked: dict[str, Sequence[str]] = {}

        def labels(field: str) -> Sequence[str]:
            asked[field] = self._examples.labels(field)
            return asked[field]

        around = replace(self._surroundings, labels=labels)
        for scorer in self.scorers:
            if scorer.keyword != "function":
                scorer.measure(around)
        scorers = [scorer.fingerprint(around) for scorer in self.scorers]
        return content_hash([scorers, asked, dict(self._goal.weights)])

    async def score(self, cell: Cell, trace: Trace, ctx: Context) -> Outcome:
        """What an output is worth. `ctx` is the way to a judge.

        When a scorer raises, takes too long or gives no score, the outcome is a `scorer` failure,
        which has no value. Raises `UnitEnded` when a call to a judge ends the cell.
        """
        return await self._scorecard.score(cell, trace, ctx)

    def failed(self, cell: Cell, trace: Trace, failure: Failure) -> Outcome:
        """What a failure is worth: of the prompt, the worst; of the service, nothing, which is not
        a score of 0."""
        return self._scorecard.failed(cell, trace, failure)

    @property
    def surroundings(self) -> Surroundings:
        """What its scorers may ask for."""
        return self._surroundings

    def only(self, scorer: Scorer) -> Scorecard:
        """One of its scorers, by itself."""
        goal = Goal({scorer.name: 1.0})
        return Scorecard([scorer], goal, self._surroundings, first=scorer.name)

    def close(self) -> None:
        """End the worker process of the scorers, if there is one. Another use starts it again."""
        if "_scorecard" in self.__dict__:
            self._scorecard.close()

    @cached_property
    def _goal(self) -> Goal:
        return parse_goal(self.goal or f"maximize {self.scorers[0].name}")

    @property
    def _first(self) -> Scorer:
        """The scorer that the goal names first."""
        named = {scorer.name: scorer for scorer in self.scorers}
        return next((named[name] for name in self._goal.weights if name in named), self.scorers[0])

    @cached_property
    def _sources(self) -> Sources:
        sources = read_sources(
            self.dataset,
            self.splits,
            self.scorers,
            self._document,
            self._store,
            self.feedback,
            self._shown,
        )
        for index, scorer in enumerate(self.scorers):
            at = ("scorers", index, scorer.keyword)
            scorer.check_rows(sources.rows, lambda key, at=at: self._document.where((*at, key)))
        return sources

    @cached_property
    def _examples(self) -> Examples:
        earlier = self._memory() if self._memory else NOWHERE
        return divided(
            self._sources, self.splits, self.scorers, self._document, self._shown, earlier
        )

    @cached_property
    def _scorecard(self) -> Scorecard:
        return Scorecard(
            self.scorers,
            self._goal,
            self._surroundings,
            first=self._first.name,
            limits=self.limits.all,
        )

    @property
    def _surroundings(self) -> Surroundings:
        document = self._document
        return Surroundings(
            lambda field: self._examples.labels(field),
            document.folder,
            document.within,
            lambda field, label: self._examples.place(field, label),
            frozenset(s.target_field for s in self.scorers if s.target_field is not None)
            | {s.reference for s in self.scorers if isinstance(s, Asking) and s.reference},
            tuple(s for s in self.scorers if isinstance(s, Asking)),
            self._api,
            self._rivals,
        )

    def __eq__(self, other: object) -> bool:
        """The same declaration, whichever file it comes from."""
        return isinstance(other, Objective) and self._declared == other._declared

    def __hash__(self) -> int:
        return hash((self.goal, self.target, self.splits.seed))

    @property
    def _declared(self) -> tuple[Any, ...]:
        return self.dataset, self.feedback, self.splits, self.scorers, self.goal, self.limits

    def __getstate__(self) -> dict[Any, Any]:
        """The examples travel with a pickle; compiled scorers and the way to a ledger do not."""
        state = super().__getstate__()
        kept = {key: value for key, value in state["__dict__"].items() if key != "_scorecard"}
        private = {**state["__pydantic_private__"], "_memory": None}
        return {**state, "__dict__": kept, "__pydantic_private__": private}


def _named(source: Source) -> str:
    return f"{len(source):,} rows" if isinstance(source, list) else str(source)
