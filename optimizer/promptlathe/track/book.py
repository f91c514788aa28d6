"""The bookkeeper: all that is written to MLflow for one run, in order, by one thread."""

import json
import logging
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, TypeVar

from promptlathe.documents import hiding, secrets_of
from promptlathe.errors import InputError
from promptlathe.records import FinalistName, Outcome, Standing
from promptlathe.track import registry, runs
from promptlathe.track.artifacts import (
    examples_table,
    prompts_diff,
    prompts_json,
    prompts_text,
)
from promptlathe.track.backend import Backend, unusable
from promptlathe.track.evaluation import (
    EvaluationRun,
    begin_evaluation,
    end_evaluation,
    log_rows,
)
from promptlathe.track.progress import Points
from promptlathe.track.records import (
    About,
    Concluded,
    Conclusion,
    RegisteredPrompt,
    Started,
    Status,
)

T = TypeVar("T")
ROWS = 30
"""Held-out rows whose spans are sent together."""
TABLE = "test_rows.json"
_logger = logging.getLogger(__name__)


class Book:
    """Writes one run. What is told is kept until `flush`.

    Only `start` raises; what fails later is a line in `problems`.
    """

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        self._uri, self._artifacts = uri, artifacts
        self.hide = hiding(*secrets_of(uri))
        """Takes the store's password out of what MLflow says."""
        self._standings: list[Standing] = []
        self._rows: list[tuple[EvaluationRun, Outcome]] = []
        self._sides: dict[FinalistName, EvaluationRun] = {}
        self._points = Points()
        self._open = False
        self.problems: list[str] = []

    def start(self, about: About) -> Started:
        """Open the store and begin the run. Raises InputError."""
        self._about = about
        self._backend = Backend(self._uri, self._artifacts)
        try:
            champion, complaint = registry.champion(self._backend, about.registered)
            self._experiment = self._backend.experiment(about.experiment)
            self._run = runs.begin_parent(self._backend, self._experiment, about)
        except InputError:
            raise
        except Exception as error:  # a server may answer with anything
            raise unusable(self._uri, error) from error
        self._open = True
        if complaint:
            self.problem(complaint)
        told, self.problems = tuple(self.problems), []
        return Started(self._run.id, self._experiment, champion, told)

    def candidate(self, standing: Standing) -> None:
        """Keep a nested run for later."""
        self._standings.append(standing)

    def progress(self, calls: int, best: float | None, seed: float | None) -> None:
        """Keep a point of the parent's curves, unless the last one is near."""
        self._points.add(calls, best, seed)

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """Keep a row of the final comparison for later."""
        if side not in self._sides:
            self.flush()  # lists show the newest run first: the sides on top
            started = self._try(
                f"evaluation run of {side}",
                lambda: begin_evaluation(
                    self._backend, self._experiment, self._run, side, self._about
                ),
            )
            if started is None:
                return
            self._sides[side] = started
        run = self._sides[side]
        run.outcomes.append(outcome)
        self._rows.append((run, outcome))

    def flush(self) -> None:
        """Write what was told."""
        standings, self._standings = self._standings, []
        rows, self._rows = self._rows, []
        for standing in standings:
            self._try("candidate", lambda one=standing: self._write_candidate(one))
        for first in range(0, len(rows), ROWS):
            some = rows[first : first + ROWS]
            self._try("test rows", lambda some=some: self._write_rows(some))
        if points := self._points.take():
            self._try("progress", lambda: runs.log_points(self._backend, self._run, points))

    def conclude(self, conclusion: Conclusion) -> Concluded:
        """Write the rest and end the run."""
        self._points.finish()
        self.flush()
        for side in self._sides.values():
            self._try(
                f"evaluation run of {side.side}",
                lambda side=side: end_evaluation(self._backend, side),
            )
        registered = self._register(conclusion) if conclusion.promote else {}
        self._try("artifacts", lambda: self._write_artifacts(conclusion))
        self._try("summary", lambda: self._write_summary(conclusion))
        self._end("FINISHED")
        return Concluded(self._run.id, registered, tuple(self.problems))

    def abort(self, status: Status, reason: str) -> None:
        """End the run without a result. Nothing happens when it has ended."""
        if not self._open:
            return
        self.flush()
        for side in self._sides.values():
            self._try(
                "evaluation run",
                lambda side=side: runs.end(self._backend, side.run, status),
            )
        note = {
            "mlflow.note.content": f"**Stopped**: {escape(reason)}",
            "promptlathe.reason": reason,
        }
        self._try("reason", lambda: runs.log(self._backend, self._run, tags=note))
        self._end(status)

    def problem(self, line: str) -> None:
        """Note what could not be done, once."""
        line = self.hide(line)
        if line not in self.problems:
            self.problems.append(line)

    def _write_candidate(self, standing: Standing) -> None:
        runs.log_candidate(self._backend, self._experiment, self._run, standing)

    def _write_rows(self, rows: list[tuple[EvaluationRun, Outcome]]) -> None:
        log_rows(
            self._backend,
            self._experiment,
            self._about,
            rows,
            lambda error: self._failed("test row", error),
        )

    def _register(self, conclusion: Conclusion) -> Mapping[str, RegisteredPrompt]:
        registered = self._try(
            "registered prompt",
            lambda: registry.register(
                self._backend,
                self._about,
                conclusion,
                run_id=self._run.id,
                experiment=self._experiment,
            ),
        )
        told = (o for side in self._sides.values() for o in side.outcomes)
        examples = {o.cell.example.id: o.cell.example for o in told}.values()
        for one in (registered or {}).values():
            warning = self._try(
                "check of the registered prompt",
                lambda one=one: registry.check_faithful(self._backend, one, examples),
            )
            if warning:
                self.problem(warning)
        return registered or {}

    def _write_artifacts(self, conclusion: Conclusion) -> None:
        outcomes: dict[FinalistName, list[Outcome]] = {
            side: run.outcomes for side, run in self._sides.items()
        }
        table = examples_table(outcomes, self._about.target)
        texts = {
            "best_prompt.json": prompts_json(conclusion.best),
            "best_prompt.txt": prompts_text(conclusion.best),
            "seed_prompt.json": prompts_json(conclusion.seed),
            "seed_prompt.txt": prompts_text(conclusion.seed),
            "prompt.diff": prompts_diff(conclusion.seed, conclusion.best),
            "result.json": conclusion.result,
            "order.jsonl": conclusion.order,
        }
        if table["data"]:
            texts[TABLE] = json.dumps(table, ensure_ascii=False, default=str)
        runs.log_texts(self._backend, self._run, {**texts, **conclusion.tables})

    def _write_summary(self, conclusion: Conclusion) -> None:
        figures: dict[str, float | None] = {
            "total_metric_calls": self._points.calls or None,
            **conclusion.metrics,
        }
        if test := conclusion.comparison:
            figures |= {
                "initial_eval_score": test.baseline,
                "final_eval_score": test.challenger,
                "test_gain": test.gain,
                "test_gain_low": test.low,
                "test_gain_high": test.high,
                "test_examples": test.examples,
            }
        if test := conclusion.champion:
            figures |= {
                "champion_score": test.baseline,
                "gain_over_champion": test.gain,
                "gain_over_champion_low": test.low,
                "gain_over_champion_high": test.high,
            }
        figures["test_opening"] = conclusion.opening
        tables = [TABLE, *conclusion.tables]
        runs.log(
            self._backend,
            self._run,
            metrics=figures,
            tags={
                "mlflow.note.content": conclusion.description,
                "mlflow.loggedArtifacts": json.dumps(
                    [{"path": path, "type": "table"} for path in tables]
                ),
                "promptlathe.verdict": conclusion.verdict or "not compared",
                "promptlathe.compared_with": conclusion.compared_with,
                "promptlathe.recommended": conclusion.recommended or "not compared",
                "promptlathe.finish_reason": conclusion.finish_reason,
                **({"promptlathe.notes": "\n".join(conclusion.notes)} if conclusion.notes else {}),
                **conclusion.tags,
            },
        )

    def _end(self, status: Status) -> None:
        self._open = False
        self._try("end", lambda: runs.end(self._backend, self._run, status))

    def _try(self, what: str, write: Callable[[], T]) -> T | None:
        try:
            return write()
        except Exception as error:  # noqa: BLE001 - a server may answer with anything
            self._failed(what, error)
            return None

    def _failed(self, what: str, error: Exception) -> None:
        _logger.error("%s failed", what, exc_info=error)
        lines: list[Any] = str(error).strip().splitlines() or [type(error).__name__]
        self.problem(f"MLflow did not take the {what}: {lines[0]}")
