"""The bookkeeper: writes one run's records to MLflow, in order.

What the store does not take now is tried again until it does (`pause`); what it refuses is a line
in `problems`, and the rest is written all the same. A record may be written again, by another
process too: what an earlier attempt made is found, and not made twice.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

from promptlathe.documents import hiding, secrets_of
from promptlathe.errors import InputError
from promptlathe.records import FinalistName, Outcome
from promptlathe.track import landing, promotion, registry, runs
from promptlathe.track.artifacts import examples_table, prompts_json, prompts_text
from promptlathe.track.backend import Away, Backend, away, met, said, unusable
from promptlathe.track.evaluation import (
    EvaluationRun,
    begin_evaluation,
    end_evaluation,
    log_rows,
    side_tags,
)
from promptlathe.track.gallery import gallery, pictures
from promptlathe.track.prompt_diff import prompt_diff
from promptlathe.track.records import (
    About,
    Begun,
    Candidacy,
    Concluded,
    Conclusion,
    Curve,
    RegisteredPrompt,
    Started,
    Stopped,
    TestRow,
)
from promptlathe.track.runs import Run
from promptlathe.track.spool import Record, Taken

T = TypeVar("T")
TABLE = "test_rows.json"
GALLERY, PICTURES = "pictures.html", "images"
"""Of prompts that draw: the page, and the folder of the pictures on it."""
TRIES = 3
"""Attempts at what a store fails to take while it takes other things."""
_logger = logging.getLogger(__name__)


def give_up(attempts: int, error: Away) -> None:
    """The pause of one who does not wait."""
    del attempts
    raise error


class Book:
    """Writes one run. `name` identifies this record of it; `taken` is what was written before.

    pause: called after each attempt that the store did not take, with how many there were; raises
    Away to end it. alive: called after each that it did.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        taken: Taken | None = None,
        *,
        pause: Callable[[int, Away], object] = give_up,
        alive: Callable[[], object] = lambda: None,
    ) -> None:
        self._backend, self._name = backend, name
        self._pause, self._alive = pause, alive
        known = taken or Taken()
        self._id, self._experiment_id = known.run, known.experiment
        self._sides: dict[FinalistName, EvaluationRun] = {
            side: EvaluationRun(side, Run(run, side)) for side, run in known.sides.items()
        }
        self._calls = 0
        self._again = False
        self._hide = hiding(*secrets_of(backend.uri))
        """Takes the store's password out of what MLflow says."""
        self.problems: list[str] = []

    def taken(self, records: int) -> Taken:
        """After so many records, for whoever goes on."""
        sides: dict[FinalistName, str] = {name: side.run.id for name, side in self._sides.items()}
        return Taken(records, self._id, self._experiment_id, sides)

    def remember(self, record: Record) -> None:
        """It was written before."""
        match record.content:
            case Begun(about=about):
                self._about = about
            case Curve(calls=calls):
                self._calls = calls
            case TestRow(side=side, outcome=outcome) if side in self._sides:
                self._sides[side].outcomes.append(outcome)
            case Candidacy() as candidacy:
                self._keep(candidacy)
            case _:
                pass

    def write(
        self, records: Sequence[Record], *, again: bool = False
    ) -> Started | Concluded | None:
        """One record, or several rows of the final comparison.

        again: they may have been written, or in part. Raises InputError when the run cannot begin
        in this store, and Away as `pause` does.
        """
        self._again = again
        record = records[0]
        match record.content:
            case Begun(about=about):
                return self.start(about)
            case Candidacy() as candidacy:
                self.candidate(candidacy, record.at)
            case Curve() as curve:
                self.curve(curve, record.at)
            case TestRow():
                rows = [(r.content, r.at) for r in records if isinstance(r.content, TestRow)]
                self.rows(rows)
            case Conclusion() as conclusion:
                return self.conclude(conclusion, record.at)
            case Stopped() as stopped:
                return self.stop(stopped, record.at)
        return None

    def start(self, about: About) -> Started:
        """Begin the run. Raises InputError when the store refuses it."""
        self._about = about
        backend = self._backend
        champion = self._need(lambda: registry.champion(backend, about.registered))
        self._experiment_id = experiment = self._need(lambda: backend.experiment(about.experiment))
        run = self._need(
            self._once(
                lambda: runs.find(backend, experiment, {runs.RECORD: self._name}),
                lambda: runs.begin_parent(backend, experiment, about, self._name),
            )
        )
        self._id = run.id
        self._try("parameters", lambda: runs.log(backend, run, about.began, params=about.params))
        self._try("datasets", lambda: runs.log_datasets(backend, run, about.datasets))
        texts = {"run.yaml": about.run_file}
        self._try("run file", lambda: runs.log_texts(backend, run, texts))
        if champion.complaint:
            self.problem(champion.complaint)
        told, self.problems = tuple(self.problems), []
        return Started(run.id, experiment, champion, told)

    def candidate(self, candidacy: Candidacy, at: int) -> None:
        """With the rest of its side, or on a nested run of its own."""
        if self._keep(candidacy):
            return
        experiment, parent = self._ids
        tags = runs.candidate_tags(parent, candidacy)

        def half_made() -> list[None]:
            for run in runs.find(self._backend, experiment, tags):
                self._backend.client.delete_run(run.id)
            return []

        def write() -> None:
            began = self._about.began
            runs.nest_candidate(self._backend, experiment, parent, candidacy, began=began, at=at)

        self._try("candidate", self._once(half_made, write))

    def _keep(self, candidacy: Candidacy) -> bool:
        """Until its side ends, if it has one."""
        for name, side in self._sides.items():
            if name == candidacy.mark:
                side.candidacy = candidacy
                return True
        return False

    def curve(self, curve: Curve, at: int) -> None:
        """Points of the parent's curves."""
        self._calls = curve.calls
        self._try("curves", lambda: runs.log_points(self._backend, self._run, at, curve.points))

    def rows(self, rows: Sequence[tuple[TestRow, int]]) -> None:
        """Rows of the final comparison, each with its time."""
        known: list[tuple[EvaluationRun, Outcome, int]] = []
        for row, at in rows:
            side = self._side(row.side, at)
            if side is not None:
                side.outcomes.append(row.outcome)
                known.append((side, row.outcome, at))

        def write() -> None:
            log_rows(
                self._backend,
                self._ids[0],
                self._about,
                known,
                lambda error: self._failed("test row", error),
            )

        self._try("test rows", write)

    def conclude(self, conclusion: Conclusion, at: int) -> Concluded:
        """Write the result and end the run."""
        for side in self._sides.values():
            self._try(
                f"evaluation run of {side.side}",
                lambda side=side: end_evaluation(self._backend, side, at),
            )
        if conclusion.registers:
            self._try("registered seed", lambda: self._register_seed(conclusion))
        registered = self._promote(conclusion) if conclusion.promote else {}
        self._try("artifacts", lambda: self._write_artifacts(conclusion))
        self._try("summary", lambda: self._write_summary(conclusion, at))
        self._try("experiment's description", lambda: self._lead_here(conclusion))
        self._try("end", lambda: runs.end(self._backend, self._run, at))
        return Concluded(self._run.id, registered, conclusion.alias, tuple(self.problems))

    def stop(self, stopped: Stopped, at: int) -> Concluded:
        """End the run without a result."""
        for side in self._sides.values():
            self._try(
                "evaluation run",
                lambda side=side: runs.end(self._backend, side.run, at, stopped.status),
            )
        note = {
            landing.NOTE: f"**Stopped**: {escape(stopped.reason)}",
            "promptlathe.reason": stopped.reason,
            **_as_tables(stopped.tables),
        }
        self._try("tables", lambda: runs.log_texts(self._backend, self._run, stopped.tables))
        name = f"stopped · {self._about.run_name}"
        self._try("name", lambda: runs.rename(self._backend, self._run, name))
        self._try("reason", lambda: runs.log(self._backend, self._run, at, tags=note))
        self._try("end", lambda: runs.end(self._backend, self._run, at, stopped.status))
        return Concluded(self._run.id, problems=tuple(self.problems))

    def problem(self, line: str) -> None:
        """Note what could not be done, once."""
        line = self._hide(line)
        if line not in self.problems:
            self.problems.append(line)

    @property
    def _ids(self) -> tuple[str, str]:
        """Of the experiment, and of the run."""
        assert self._experiment_id is not None
        assert self._id is not None
        return self._experiment_id, self._id

    @property
    def _run(self) -> Run:
        return Run(self._ids[1], self._about.run_name)

    def _side(self, side: FinalistName, at: int) -> EvaluationRun | None:
        if side not in self._sides:
            experiment, parent = self._ids
            run = self._try(
                f"evaluation run of {side}",
                self._once(
                    lambda: runs.find(self._backend, experiment, side_tags(parent, side)),
                    lambda: begin_evaluation(
                        self._backend, experiment, parent, side, self._about, at
                    ),
                ),
            )
            if run is None:
                return None
            self._sides[side] = EvaluationRun(side, run)
        return self._sides[side]

    def _register_seed(self, conclusion: Conclusion) -> None:
        experiment, run = self._ids
        promotion.register_seed(
            self._backend, self._about, conclusion, run_id=run, experiment=experiment
        )

    def _promote(self, conclusion: Conclusion) -> Mapping[str, RegisteredPrompt]:
        experiment, run = self._ids
        made = self._try(
            "registered prompt",
            lambda: promotion.promote(
                self._backend, self._about, conclusion, run_id=run, experiment=experiment
            ),
        )
        if made is None:
            return {}
        if made.refused:
            self.problem(made.refused)
        told = (o for side in self._sides.values() for o in side.outcomes)
        examples = {o.cell.example.id: o.cell.example for o in told}.values()
        for one in made.registered.values():
            warning = self._try(
                "check of the registered prompt",
                lambda one=one: registry.check_faithful(self._backend, one, examples),
            )
            if warning:
                self.problem(warning)
        return made.registered

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
            "prompt_diff.html": prompt_diff(conclusion.seed, conclusion.best),
            "result.json": conclusion.result,
            "order.jsonl": conclusion.order,
        }
        if table["data"]:
            texts[TABLE] = json.dumps(table, ensure_ascii=False, default=str)
        if page := gallery(outcomes):
            texts[GALLERY] = page
        runs.log_texts(self._backend, self._run, {**texts, **conclusion.tables, **conclusion.files})
        for path in pictures(outcomes).values():
            self._backend.client.log_artifact(self._run.id, str(path), PICTURES)

    def _write_summary(self, conclusion: Conclusion, at: int) -> None:
        figures: dict[str, float | None] = {
            "total_metric_calls": self._calls or None,
            **conclusion.metrics,
        }
        if test := conclusion.comparison:
            figures |= {
                "test_seed": test.baseline,
                "test_best": test.challenger,
                "test_gain": test.gain,
                "test_gain_low": test.low,
                "test_gain_high": test.high,
                "test_rows": test.examples,
            }
        if test := conclusion.champion:
            figures |= {
                "test_champion": test.baseline,
                "test_gain_over_champion": test.gain,
                "test_gain_over_champion_low": test.low,
                "test_gain_over_champion_high": test.high,
            }
        figures["test_opening"] = conclusion.opening
        tables = [TABLE, *conclusion.tables]
        notes = [*conclusion.notes, *self.problems]
        runs.log(
            self._backend,
            self._run,
            at,
            metrics=figures,
            tags={
                landing.NOTE: f"{self._links()}\n\n{conclusion.description}",
                **_as_tables(tables),
                "promptlathe.verdict": conclusion.verdict or "not compared",
                "promptlathe.compared_with": conclusion.compared_with,
                "promptlathe.recommended": conclusion.recommended or "not compared",
                "promptlathe.finish_reason": conclusion.finish_reason,
                **({"promptlathe.notes": "\n".join(notes)} if notes else {}),
                **conclusion.tags,
            },
        )

    def _links(self) -> str:
        """To the pages among what this run has written, and to its prompts."""
        experiment, run = self._ids
        files = [one.path for one in self._backend.client.list_artifacts(run)]
        names = self._about.registered.values()
        prompts = [name for name in names if self._backend.client.get_prompt(name)]
        return landing.links(experiment, run, files, prompts)

    def _lead_here(self, conclusion: Conclusion) -> None:
        experiment, run = self._ids
        name = f"{landing.outcome(conclusion)} · {self._about.run_name}"
        runs.rename(self._backend, self._run, name)
        landing.describe_experiment(
            self._backend, experiment, run, self._about, conclusion, self._links()
        )

    def _once(self, find: Callable[[], Sequence[T]], make: Callable[[], T]) -> Callable[[], T]:
        """Makes something, unless `find` finds that an earlier attempt did."""
        tried = self._again

        def attempt() -> T:
            nonlocal tried
            if tried and (found := find()):
                return found[0]
            tried = True
            return make()

        return attempt

    def _need(self, write: Callable[[], T]) -> T:
        """What the run cannot begin without. Raises InputError when it is refused."""
        try:
            return self._taken(write)
        except (InputError, Away):
            raise
        except Exception as error:  # a server may answer with anything
            raise unusable(self._backend.uri, error) from error

    def _try(self, what: str, write: Callable[[], T]) -> T | None:
        """What the rest does not depend on."""
        try:
            return self._taken(write)
        except Away:
            raise
        except Exception as error:  # noqa: BLE001 - a server may answer with anything
            self._failed(what, error)
            return None

    def _taken(self, write: Callable[[], T]) -> T:
        """Until the store takes it. Raises what it is refused with, and Away as `pause` does."""
        attempts = 0
        while True:
            try:
                self._backend.check()
                done = write()
            except Exception as error:
                attempts += 1
                if met(error) and attempts < TRIES:
                    continue
                if not away(error) or (attempts >= TRIES and self._backend.answers()):
                    raise
                self._pause(attempts, Away(self._backend.uri, said(self._backend.uri, error)))
            else:
                self._alive()
                return done

    def _failed(self, what: str, error: Exception) -> None:
        _logger.error("%s failed", what, exc_info=error)
        lines: list[Any] = str(error).strip().splitlines() or [type(error).__name__]
        self.problem(f"MLflow did not take the {what}: {lines[0]}")


def _as_tables(files: Iterable[str]) -> dict[str, str]:
    """The tag by which MLflow shows them as tables."""
    tables = [{"path": file, "type": "table"} for file in files]
    return {"mlflow.loggedArtifacts": json.dumps(tables)}
