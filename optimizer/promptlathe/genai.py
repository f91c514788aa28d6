"""promptlathe as an optimizer of MLflow's `mlflow.genai.optimize_prompts`.

    mlflow.genai.optimize_prompts(
        predict_fn=predict_fn,
        train_data=rows,
        prompt_uris=["prompts:/qa/1"],
        optimizer=pl.PromptlatheOptimizer(rewriter="gpt-6-luna", max_metric_calls=300),
        scorers=[accuracy],
    )

What is bought here is an evaluation: MLflow runs `predict_fn` on a row and scores it, with whatever
models and keys that has. Rows are split, prompts race on `select`, and the scores that MLflow gets
are those of the rows that were held out.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from mlflow.genai.optimize.optimizers.base import BasePromptOptimizer
from mlflow.genai.optimize.types import EvaluationResultRecord, PromptOptimizerOutput

from promptlathe import documents
from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Budget, Call, Failure, Prompt, Score, Trace
from promptlathe.runtime.engine import Engine
from promptlathe.scoring import Objective
from promptlathe.scoring.functions import PythonFunction
from promptlathe.targets import FunctionTarget
from promptlathe.targets.frameworks.predict import (
    Template,
    prompt_name,
    registered_space,
    with_texts,
)
from promptlathe.targets.frameworks.texts import numbered

Evaluate = Callable[[dict[str, str], list[dict[str, Any]]], list[EvaluationResultRecord]]
GATHER = 0.02
"""Seconds in which further rows of a candidate may join those that MLflow evaluates at once."""
WHERE = "PromptlatheOptimizer"


class PromptlatheOptimizer(BasePromptOptimizer):
    """For `mlflow.genai.optimize_prompts(optimizer=…)`.

    rewriter: who writes new texts, a name or a mapping with the keys of a run file's `model`.
    vary, components: what may vary, as for `pl.from_mlflow`, by `template`, or by
        `system` and so on of a chat prompt, of several prompts as `<prompt>.template`; by default
        every text may be rewritten.
    max_metric_calls: evaluations of a row, those of the final comparison among them.
    seed, policy: as for `pl.optimize`. concurrency: rows that are evaluated at once.

    Raises InputError or BudgetTooSmall, as `pl.optimize` does.
    """

    def __init__(
        self,
        *,
        rewriter: str | Mapping[str, Any] | None = None,
        vary: Sequence[str] | Mapping[str, Any] | None = None,
        components: Mapping[str, Any] | None = None,
        max_metric_calls: int = 400,
        seed: int = 0,
        policy: str = "lathe",
        concurrency: int = 16,
    ) -> None:
        if rewriter is None and vary is None:
            raise InputError(
                "nothing may vary",
                WHERE,
                "name a rewriter, who writes new texts, or give texts with `vary`",
            )
        self.vary, self.components, self.max_metric_calls = vary, components, max_metric_calls
        self._rewriter = _read("rewriter", ModelSettings, rewriter) if rewriter else None
        self._search = _read("search", SearchOptions, {"policy": policy, "seed": seed})
        self._parallel = _read("parallel", ParallelOptions, {"concurrency": concurrency})
        self.result: Result | None = None
        """Of the last run, whole."""

    def optimize(
        self,
        eval_fn: Evaluate | None,
        train_data: list[dict[str, Any]],
        target_prompts: dict[str, str],
        enable_tracking: bool = True,
    ) -> PromptOptimizerOutput:
        """As MLflow calls it. What is recommended is returned: the given prompts, when no other
        is better."""
        if eval_fn is None or not train_data:
            raise InputError("there are no rows", "train_data", "give rows, and scorers")
        templates = {name: _template(one) for name, one in target_prompts.items()}
        vary = self.vary
        space = registered_space(
            templates, _all(templates) if vary is None else vary, self.components, where=WHERE
        )
        evaluations = Evaluations(eval_fn, train_data, templates)
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                space=space,
                objective=_objective(train_data),
                model=ModelSettings(name="pocket"),  # nobody asks it: see `carrier`
                rewriter=self._rewriter,
                function=FunctionTarget(evaluations.ask),
                carrier=evaluations.carrying,
                name="mlflow",
                budget=Budget(calls=self.max_metric_calls),
                search=self._search,
                parallel=self._parallel,
                track=False,
                workspace=Path(folder),
            )
            self.result = result = run(job)
        if enable_tracking and mlflow.active_run():
            mlflow.set_tags(
                {"promptlathe.verdict": result.verdict, "promptlathe.why": result.reason}
            )
            mlflow.log_dict(result.to_dict(), "promptlathe.json")
        best = result.recommended == "best"
        return PromptOptimizerOutput(
            optimized_prompts=evaluations.written(result.chosen.prompts),
            initial_eval_score=result.test.seed,
            final_eval_score=result.test.best if best else result.test.seed,
        )


def _read(part: str, kind: Any, given: Any) -> Any:
    try:
        return documents.parse(kind, Document({part: given}).at(part))
    except InputError as error:
        raise InputError(error.what, f"{WHERE}({error.where})", error.fix) from None


def _template(given: str) -> Template:
    """A chat prompt comes as JSON."""
    try:
        read = json.loads(given)
    except ValueError:
        return given
    chat = isinstance(read, list) and all(isinstance(m, dict) and "role" in m for m in read)
    return read if chat and read else given


def _all(templates: Mapping[str, Template]) -> list[str]:
    """The names of all texts that can vary."""
    from promptlathe.targets.frameworks.predict import texts_of

    return [
        f"{prompt_name(name)}.{text.name}" if len(templates) > 1 else text.name
        for name, template in templates.items()
        for text in texts_of(template)
        if not text.unreadable
    ]


async def _score(row: Mapping[str, Any], output: Any, *, trace: Trace) -> Score:
    """What MLflow's scorers gave."""
    (answer,) = trace.answers()
    told = json.loads(answer.text)
    return Score(told["score"], told["output"], told["why"] or None)


class FromMlflow(PythonFunction):
    """The score of an evaluation; `right` is the field of what a row should give."""

    right: str | None = None

    @property
    def target_field(self) -> str | None:
        return self.right

    @property
    def whole_target(self) -> bool:
        return True


def _objective(data: Sequence[Mapping[str, Any]]) -> Objective:
    taken = {name for record in data for name in record["inputs"]}
    right = next(name for name in numbered("expected") if name not in taken)
    rows: list[dict[str, Any]] = []
    for i, record in enumerate(data):
        wanted = record.get("expectations") or record.get("outputs")
        known = {} if wanted is None else {right: _plain(wanted)}
        rows.append({**record["inputs"], **known, "id": f"row {i}"})
    told = all(right in row for row in rows)
    score = FromMlflow(name="score", function=_score, right=right if told else None)
    return Objective(rows, scorer=score)


def _plain(right: Any) -> Any:
    """The only expectation itself."""
    only = isinstance(right, dict) and len(right) == 1
    return next(iter(right.values())) if only else right


@dataclass(frozen=True)
class Asked:
    """A row that waits to be evaluated with prompts."""

    prompts: str
    row: int
    answer: asyncio.Future[Answer]


@dataclass
class Evaluations:
    """Carries evaluations to MLflow in the place of calls to a model: a candidate at a time, since
    it swaps the prompts of the whole process, and of that all the rows that wait."""

    evaluate: Evaluate
    data: Sequence[dict[str, Any]]
    templates: Mapping[str, Template]
    _waiting: list[Asked] = field(default_factory=list[Asked])
    _worker: asyncio.Task[None] | None = None

    async def ask(self, row: Mapping[str, Any], prompts: Mapping[str, Prompt], llm: Any) -> Any:
        """The target: one evaluation is one call, by the texts and the row."""
        sent = json.dumps({"prompts": self.written(prompts), "row": int(row["id"].split()[1])})
        said = await llm(sent.replace("{{", "{\\u007b").replace("}}", "}\\u007d"))
        return json.loads(said)["output"]

    def written(self, prompts: Mapping[str, Prompt]) -> dict[str, str]:
        """The prompts as MLflow has them, by registered name."""
        texts: dict[str, str] = {}
        for name, template in self.templates.items():
            prompt = prompts.get(prompt_name(name))
            new = with_texts(prompt_name(name), template, prompt) if prompt else template
            texts[name] = new if isinstance(new, str) else json.dumps(new)
        return texts

    def carrying(self, inner: Engine) -> Engine:
        """The engine of the job: what is no evaluation is carried by another."""
        return Carrier(self, inner)

    async def one(self, call: Call) -> Answer:
        """An evaluation, with others of the same prompts."""
        said = json.loads(call.messages[0].text)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(Asked(json.dumps(said["prompts"]), said["row"], future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            prompts = self._waiting[0].prompts
            batch = [one for one in self._waiting if one.prompts == prompts]
            self._waiting = [one for one in self._waiting if one.prompts != prompts]
            rows = [self.data[one.row] for one in batch]
            try:
                records = await asyncio.to_thread(self.evaluate, json.loads(prompts), rows)
                told = [Answer(_told(record)) for record in records]
            except BaseException as error:  # noqa: BLE001 - each that waits gets it
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, answer in zip(batch, told, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)


def _told(record: EvaluationResultRecord) -> str:
    if record.score is None:
        raise InputError("the rows have no score", "scorers", "give optimize_prompts scorers")
    why = "; ".join(f"{name}: {text}" for name, text in record.rationales.items() if text)
    return json.dumps(
        {"score": float(record.score), "output": record.outputs, "why": why}, default=str
    )


@dataclass
class Carrier(Engine):
    """An `Engine` for evaluations, and for calls to the rewriter."""

    evaluations: Evaluations
    inner: Engine

    @property
    def notices(self) -> Sequence[str]:
        return self.inner.notices

    @property
    def notes(self) -> Sequence[str]:
        return self.inner.notes

    async def start(self) -> None:
        await self.inner.start()

    async def send(self, call: Call) -> Answer | Failure:
        if call.role == "task":
            return await self.evaluations.one(call)
        return await self.inner.send(call)

    async def close(self) -> None:
        await self.inner.close()
