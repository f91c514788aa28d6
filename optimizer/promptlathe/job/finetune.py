"""The good answers of a run as data for fine-tuning: its search is told again, from the ledger.

Nothing is sent. What a replay cannot find in the ledger ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from promptlathe.errors import InputError
from promptlathe.job.finetune_formats import Form, Line, Pair, lines, unlike
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.plan import make_plan
from promptlathe.job.recording import Recorder
from promptlathe.job.resume import replayed
from promptlathe.job.rivals import registered_champion, with_rivals
from promptlathe.job.run import recorded_run
from promptlathe.job.running import Running
from promptlathe.job.stores import ledger_in, ledger_url, make_state
from promptlathe.ledger import Ledger, RecordedRun
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Candidate, Failure, Outcome, Sent, Split, content_hash
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.replay import LeftRecord

ALLOWED: tuple[Split, ...] = ("train", "select")
"""Rows of `test` decide between prompts: what was trained on them decides nothing any more."""
SHORTEST = 6
"""Characters of a candidate's id that name it."""
FIX = "name the `run` of a result that was made in this workspace"


@dataclass(frozen=True)
class Exported:
    """The lines, and what became of the run's answers."""

    lines: tuple[Line, ...]
    form: Form
    prompt: str
    """The candidate's id."""
    asked: dict[Split, int]
    """Rows of each split that the prompt was asked in this run."""
    rows: dict[Split, int]
    """Rows that the split has."""
    dropped: dict[str, int]
    """Answers that are not among the lines, by reason."""
    models: tuple[str, ...]
    """Whose answers they are: name and address."""
    license: str | None
    """Of the data, where the objective names one."""


def export_data(
    job: Job,
    run: str,
    *,
    to: Form,
    prompt: str = "best",
    step: str = "",
    least: float = 1.0,
    splits: Sequence[Split] = ALLOWED,
) -> Exported:
    """What a run's prompt was answered, as lines for fine-tuning.

    prompt: `best`, `seed`, `champion`, or the beginning of a candidate's id. step: of a chain.
    least: the goal's value of a good answer. Raises InputError.
    """
    if wrong := [one for one in splits if one not in ALLOWED]:
        raise InputError(
            f"rows of {wrong[0]!r} are not exported: a model that has seen them cannot be tested "
            "on them any more"
            if wrong[0] == "test"
            else f"there is no split {wrong[0]!r}",
            "--split",
            f"name some of: {', '.join(ALLOWED)}",
        )
    quiet = _without_keys(replace(job, track=False))
    make_state(job.state)
    plan = make_plan(quiet)
    ledger = Ledger(ledger_url(job))
    outcomes: list[Outcome] = []
    try:
        recorded = recorded_run(ledger, run, "RUN")
        with_them = with_rivals(replace(quiet, track=job.track), plan)
        quiet = replace(with_them, track=False)

        async def replay() -> Candidate:
            with replayed(quiet, recorded, run) as course:
                recorder = Recorder(quiet, plan, course.run, replay=True)
                running = Running(
                    quiet, plan, ledger, _Sealed(), recorder, None, lambda result: None, course
                )
                try:
                    return await running.searched(outcomes.append)
                finally:
                    await running.close()
                    study = quiet.state / "optuna" / f"{quiet.name}-{course.run}.journal"
                    study.unlink(missing_ok=True)

        best = interruptible(replay)
        if len(outcomes) < _cells(recorded):
            raise LeftRecord
    except LeftRecord:
        raise InputError(
            f"the run {run!r} took another course: its space, objective, budget or data have "
            "changed since",
            "RUN",
            "export with the files and settings that it was made with",
        ) from None
    finally:
        quiet.objective.close()
        ledger.close()
    wanted = _named(
        prompt, outcomes, plan.space.seed, best, lambda: _champion(job, plan.space.seed)
    )
    inside = [one for one in outcomes if one.cell.example.split in splits]
    own = [one for one in inside if one.cell.candidate.id == wanted]
    others = [one for one in inside if one.cell.candidate.id != wanted]
    step = _step(own, step)
    dropped: dict[str, int] = {}
    pairs = _pairs(own, step, to, dropped)
    kept = list(unlike(pairs))
    _count(dropped, "the same as another", len(pairs) - len(kept))
    made = list(lines(to, kept, _pairs(others, step, to, {}), least))
    if to in ("trl-sft", "openai-chat"):
        _count(dropped, f"scored below {least:g}", len(kept) - len(made))
    unique = list({content_hash(line): line for line in made}.values())
    _count(dropped, "the same as another", len(made) - len(unique))
    asked: dict[Split, int] = {}
    rows: dict[Split, int] = {}
    for split in splits:
        asked[split] = len({o.cell.example.id for o in own if o.cell.example.split == split})
        rows[split] = len(job.objective.examples(split))
    models = dict.fromkeys(_whose(sent.call) for one in own for sent in _of_step(one, step))
    return Exported(
        tuple(unique), to, wanted, asked, rows, dropped, tuple(models), job.objective.license
    )


def recorded_job(
    run: str,
    workspace: Path | None,
    *,
    announce: Callable[[Sequence[str]], None] = lambda code: None,
) -> Job:
    """The job of a run, from the resolved run file that the ledger keeps. Raises InputError."""
    url, state = ledger_in(workspace)
    ledger = Ledger(url)
    try:
        if not (run.isascii() and ledger.order(run)):
            raise InputError(f"no run {run!r} is in the ledger", "RUN", FIX)
        text = ledger.run_file(run)
    finally:
        ledger.close()
    if text is None:
        raise InputError(
            f"the ledger keeps no run file of {run!r}", "RUN", "name its run file with --file FILE"
        )
    make_state(state)
    with TemporaryDirectory(dir=state) as folder:
        path = Path(folder) / "run.yaml"
        path.write_text(text, encoding="utf-8")
        job = Job.load(path, workspace=state.parent, announce=announce)
    return replace(job, ledger=url) if isinstance(url, str) else job


class _Sealed(Engine):
    """An engine that carries nothing: all that a run was answered is in the ledger."""

    async def start(self) -> None: ...

    async def send(self, call: Call) -> Answer | Failure:
        raise InputError(
            f"an answer of {call.model} is not in the ledger, and nothing is sent",
            "RUN",
            "export from the workspace that the run was made in, with the files of that time",
        )

    async def close(self) -> None: ...


def _cells(recorded: RecordedRun) -> int:
    """Outcomes that its search was told."""
    return sum(
        key[0] in recorded.candidates and key not in stage.dropped
        for stage in recorded.stages
        for key, _ in stage.events
    )


def _without_keys(job: Job) -> Job:
    """Nothing is sent, so no key is needed."""

    def plain(model: ModelSettings) -> ModelSettings:
        return model.model_copy(update={"api_key_env": None})

    return replace(
        job,
        model=plain(job.model),
        rewriter=job.rewriter and plain(job.rewriter),
        judge=job.judge and plain(job.judge),
        step_models={name: plain(model) for name, model in job.step_models.items()},
    )


def _champion(job: Job, seed: Candidate) -> Candidate | None:
    return registered_champion(job, seed) if job.track else None


def _named(
    prompt: str,
    outcomes: Sequence[Outcome],
    seed: Candidate,
    best: Candidate,
    champion: Callable[[], Candidate | None],
) -> str:
    """The id of the candidate that is meant."""
    ids = list(dict.fromkeys(one.cell.candidate.id for one in outcomes))
    known = {"seed": seed.id, "best": best.id}
    if prompt in known:
        return known[prompt]
    if prompt == "champion":
        found = champion()
        if found is None or found.id not in ids:
            said = (
                "no champion is registered"
                if found is None
                else ("the champion of today was not asked any row of train or select in this run")
            )
            raise InputError(
                said, "--prompt", "name the run that made it, or say  --prompt best  or  seed"
            )
        return found.id
    fitting = [one for one in ids if len(prompt) >= SHORTEST and one.startswith(prompt)]
    if len(fitting) != 1:
        raise InputError(
            f"{prompt!r} names no prompt of the run",
            "--prompt",
            "write best, seed, champion, or the id of a candidate (`candidate` in result.json)",
        )
    return fitting[0]


def _of_step(outcome: Outcome, step: str) -> list[Sent]:
    return [
        sent for sent in outcome.trace.calls if sent.call.role == "task" and sent.call.step == step
    ]


def _step(outcomes: Sequence[Outcome], step: str) -> str:
    """The step that is meant: it need not be said where there is one."""
    calls = (sent.call for one in outcomes for sent in one.trace.calls)
    steps = list(dict.fromkeys(call.step for call in calls if call.role == "task"))
    if step in steps or not steps:
        return step
    if not step and len(steps) == 1:
        return steps[0]
    listed = ", ".join(name for name in steps if name)
    raise InputError(
        f"the run has no step {step!r}" if step else "the run has several steps",
        "--step",
        f"name one of: {listed}" if listed else "leave it out: the run has a single prompt",
    )


def _pairs(
    outcomes: Sequence[Outcome], step: str, form: Form, dropped: dict[str, int]
) -> list[Pair]:
    found: list[Pair] = []
    for one in outcomes:
        calls = _of_step(one, step)
        why = _useless(one, calls, form)
        if why:
            _count(dropped, why, 1)
            continue
        for sent in calls:
            tools: Any = dict(sent.call.parameters).get("tools") or ()
            assert isinstance(sent.reply, Answer)
            assert one.value is not None
            messages = sent.call.messages
            found.append(Pair(one.cell.example.id, messages, sent.reply, one.value, tuple(tools)))
    return found


def _useless(outcome: Outcome, calls: Sequence[Sent], form: Form) -> str | None:
    """Why an answer is no data, in words; None when it is."""
    replies = [sent.reply for sent in calls]
    if outcome.failure or not replies or any(isinstance(one, Failure) for one in replies):
        return "failed"
    if outcome.unread:
        return "could not be read"
    if any(isinstance(one, Answer) and one.drawn for one in replies):
        return "pictures"
    if form != "openai-chat" and any(m.images for sent in calls for m in sent.call.messages):
        return "shown a picture"
    return None


def _count(dropped: dict[str, int], why: str, count: int) -> None:
    if count:
        dropped[why] = dropped.get(why, 0) + count


def _whose(call: Call) -> str:
    return f"{call.model} at {call.endpoint}" if "://" in call.endpoint else call.model
