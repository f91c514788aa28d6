"""What can be wrong with a job, found before anything is sent."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from pydantic import ValidationError

from promptlathe.documents import describe, nearest
from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.models.images import check_picture
from promptlathe.models.seam import check_key
from promptlathe.models.settings import FLEX, PARAMETERS, POCKET, QUESTIONS, ModelSettings
from promptlathe.models.shutdown import shutdown_dates
from promptlathe.notify import check_ways
from promptlathe.records import LIMITS, Budget, Call, Example, Json
from promptlathe.scoring import Objective, ToolCall
from promptlathe.scoring.builtin.citations import Citations
from promptlathe.scoring.builtin.grounded import Grounded
from promptlathe.scoring.tool_call import expected
from promptlathe.search import check_policy
from promptlathe.search.operators.portfolio import DEMOS, Portfolio, load_portfolio
from promptlathe.space import (
    Choice,
    Demos,
    Float,
    Int,
    SearchSpace,
    Text,
    Tool,
    fill_declared,
    placeholders,
)
from promptlathe.space.components import Component
from promptlathe.starter import starter

JOB_NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""It becomes the name of a file, and of a prompt in MLflow's registry."""


def check_inputs(job: Job) -> None:
    """All that needs no data. Raises InputError."""
    _check_kinds(job)
    _check_budget(job)
    check_policy(job.search.policy)
    _check_judge(job)
    _check_drawing(job)
    _check_batches(job)
    for place, settings in _models(job):
        _check_key(job, place, settings)
    check_ways(job.notify, job.workspace, job.place("run", ("notify",)))
    _check_parameters(job)
    for name, component in job.space.components.items():
        if isinstance(component, Demos):
            available = len(job.objective.examples("train"))
            if (most := component.demos.count[1]) > available:
                raise InputError(
                    f"{name} shows up to {most} rows, and the train split has {available}",
                    job.place("space", ("components", name, "demos", "count")),
                    "lower the count, or give `splits.train` a larger share",
                )


def check_contexts(job: Job) -> None:
    """What citations and groundedness are scored by must be there. Raises InputError."""
    filled = any(part.filled_from for part in job.space.prompts.values())
    for i, scorer in enumerate(job.objective.scorers):
        if filled or job.function is not None or not isinstance(scorer, Citations | Grounded):
            continue
        if scorer.contexts not in {*job.objective.fields, *job.objective.partly}:
            raise InputError(
                f"the scorer {scorer.name} needs contexts: the space shows none, and no row has "
                f"the field {scorer.contexts!r}",
                job.place("objective", ("scorers", i)),
                "name the rows' field as `contexts`, or show some:  {contexts: {field: …}}",
            )


def check_steps(job: Job) -> None:
    """A step that is named must be there. Raises InputError."""
    steps = list(job.space.prompts)
    for step in job.step_models:
        if step not in steps:
            raise InputError(
                f"there is a model for the step {step!r}, and there is no such step",
                "step_models",
                f"steps: {', '.join(steps)}",
            )
    for i, scorer in enumerate(job.objective.scorers):
        if scorer.step is None or (job.space.chained and scorer.step in steps):
            continue
        near = nearest(scorer.step, steps)
        hint = f"did you mean {near!r}?" if near else f"steps: {', '.join(steps)}"
        raise InputError(
            f"the scorer {scorer.name} scores the step {scorer.step!r}, and there is no such step",
            job.place("objective", ("scorers", i, scorer.keyword, "step")),
            hint if job.space.chained else "remove `step`: the job has one prompt",
        )


def check_tools(job: Job) -> None:
    """The tools that rows expect must be offered. Raises InputError, with file and line."""
    offered = {tool.known_as: tool for part in job.space.prompts.values() for tool in part.tools}
    others = [one.tools or [] for one in (job.model, *job.step_models.values())]
    named = {str(one.get("function", {}).get("name")) for tools in others for one in tools}
    for i, scorer in enumerate(job.objective.scorers):
        if not isinstance(scorer, ToolCall) or job.function is not None:
            continue
        if not offered and not named:
            raise InputError(
                f"the scorer {scorer.name} compares calls of tools, and the space offers none",
                job.place("objective", ("scorers", i)),
                "add  tools: [{name: …, description: …, parameters: {…}}]  to the space",
            )
        job.objective.check_values(
            scorer.target, partial(_check_called, offered=offered, others=named)
        )


def _check_called(value: Json, offered: Mapping[str, Tool], others: set[str]) -> None:
    for call in expected(value):
        if call.tool not in offered:
            if call.tool in others:
                continue
            near = nearest(call.tool, [*offered, *others])
            raise ValueError(
                f"expects a call of {call.tool!r}, and there is no such tool",
                f"did you mean {near!r}?" if near else f"tools: {', '.join([*offered, *others])}",
            )
        known = offered[call.tool].parameters.get("properties", {})
        if name := next((one for one in call.arguments if one not in known), None):
            near = nearest(name, known)
            raise ValueError(
                f"expects {call.tool} with {name!r}, and the tool has no such parameter",
                f"did you mean {near!r}?" if near else f"parameters: {', '.join(known) or 'none'}",
            )


def check_operators(job: Job, train: int) -> None:
    """They must have something to write, rows to learn from, and be known."""
    if not job.operators:
        if job.space.size.count < 2 and not job.space.size.continuous:
            raise InputError(
                "no operator is on, and the space has one candidate only",
                job.place("run", ("search", "operators")),
                "name some, or give a component a second level",
            )
        return
    demos = any(isinstance(one, Demos) for one in job.space.components.values())
    if not job.space.rewritable and not (demos and DEMOS in job.operators):
        raise InputError(
            "operators are named, and no component is marked `rewrite: true`",
            job.place("run", ("search", "operators")),
            "mark a text or a choice of texts in the space, or remove the operators",
        )
    if not train:
        raise InputError(
            "operators learn from rows of the train split, and it is empty",
            job.place("objective", ("splits", "train")),
            "give it a share, or set  search.operators: []",
        )
    try:
        portfolio(job)
    except InputError as error:
        place = job.place("run", ("search", "operators"))
        where = place if error.where in ("search.operators", *job.operators) else error.where
        raise InputError(error.what, where or place, error.fix) from None


def check_pictures(job: Job, examples: Sequence[Example]) -> None:
    """What prompts name as pictures must be there, and be some, as far as it is known beforehand.
    Raises InputError, with the row's file and line where a field names it."""
    messages = [message for part in job.space.prompts.values() for message in part.messages]
    for component in job.space.components.values():
        if isinstance(component, Demos) and not isinstance(component.demos.template, str):
            messages += component.demos.template
    urls = {image.url for message in messages for image in message.images}
    folder, within = job.objective.folder, job.objective.within

    def check(url: str, field: str, value: Json) -> None:
        try:
            if isinstance(value, str):
                check_picture(fill_declared(url, {field: value}), folder, within)
        except InputError as error:
            raise ValueError(f"is {value[:100]!r}: {error.what}", error.fix) from None

    for url in sorted(urls) if job.function is None else ():
        names = set(placeholders(url))
        if len(names) == 1 and names <= job.objective.fields:
            (field,) = names
            job.objective.check_values(field, partial(check, url, field))
            continue
        for example in examples if names else examples[:1]:
            if names <= example.row.keys():
                check_picture(fill_declared(url, example.row), folder, within)


def portfolio(job: Job) -> Portfolio:
    """The job's operators. Raises InputError."""
    return load_portfolio(job.operators, job.workspace, starter(), job.within)


def _check_batches(job: Job) -> None:
    """What no batch takes. Raises InputError."""
    if job.parallel.engine != "batch":
        return
    for place, settings in _models(job):
        varied = any("service_tier" in part.model for part in job.space.prompts.values())
        for name in ("service_tier", "extra_headers"):
            if getattr(settings, name) or (name == "service_tier" and varied):
                raise InputError(
                    f"a batch takes no `{name}`",
                    job.place("run", (*place, name)) or job.place("run", ("parallel", "engine")),
                    "remove it, or take  engine: local",
                )
    if not any(settings.batched for _, settings in _models(job)):
        raise InputError(
            f"no batch takes calls of {job.model.name}",
            job.place("run", ("parallel", "engine")),
            "take  engine: local",
        )


def tier_notes(job: Job) -> list[str]:
    """A line for each model that is asked at other prices, or in batches."""
    if job.parallel.engine == "batch":
        return [
            f"calls go in batches of up to {job.parallel.concurrency:,}, at their part of the "
            "price; a batch may take 24 hours"
        ]
    flex = [one for _, one in _models(job) if one.service_tier == FLEX[1]]
    return [
        f"{one.name} is asked at service_tier flex: "
        + (
            f"{price.flex:g} of its price"
            if (price := job.prices.root.get(one.name))
            else "no price"
        )
        + f", an answer may take {one.timeout / 60:g} minutes, and what it has no room for "
        + ("is made at the standard tier in the end" if one.flex_fallback else "waits")
        for one in flex
    ]


def shutdowns(job: Job) -> dict[str, date]:
    """By model of the job, when its service will shut it down; asks the services for their lists of
    models, and sends no call."""
    services = {one.endpoint: one for _, one in _models(job) if not one.here}
    dates = {name: day for one in services.values() for name, day in shutdown_dates(one).items()}
    return {name: dates[name] for name in models_of(job) if name in dates}


def retiring(dates: Mapping[str, date], today: date, days: int) -> dict[str, date]:
    """Those that are shut down within so many days."""
    return {name: day for name, day in dates.items() if (day - today).days <= days}


def shutdown_notes(dates: Mapping[str, date], today: date, days: int) -> list[str]:
    """A line for each of them."""
    notes: list[str] = []
    for name, day in retiring(dates, today, days).items():
        left = (day - today).days
        when = f"in {left} days" if left > 0 else "it may be gone"
        notes.append(f"the service shuts {name} down on {day} ({when}): choose another model")
    return notes


def price_calls(job: Job) -> Iterator[Call]:
    """A call of each model that the job may call, at the dearest tier that it may be made at; those
    that are computed here aside."""
    varied = any("service_tier" in part.model for part in job.space.prompts.values())
    for _, settings in _models(job):
        given: dict[str, Json] = {QUESTIONS: []} if settings.api == "decisions" else {}
        if settings.flex_fallback or varied:
            given["service_tier"] = "default"
        if not settings.here:
            yield settings.call((), tuple(given.items()))
    for part in job.space.prompts.values():
        for value in _extremes(part.model["name"]) if "name" in part.model else ():
            if not (job.model.embedded and value == POCKET):
                yield job.model.call((), (("name", str(value)),))


def models_of(job: Job) -> Iterator[str]:
    """The names of all models that the job may call, those that are computed here aside."""
    for _, settings in _models(job):
        if not settings.here:
            yield settings.name
    for part in job.space.prompts.values():
        if "name" in part.model:
            names = (str(value) for value in _extremes(part.model["name"]))
            yield from (name for name in names if not (job.model.embedded and name == POCKET))


def _models(job: Job) -> Iterator[tuple[tuple[str, ...], ModelSettings]]:
    """Each with its place in the run file."""
    yield ("model",), job.model
    if job.rewriter and job.operators:
        yield ("rewriter",), job.rewriter
    if job.judge and job.objective.may_judge:
        yield ("judge",), job.judge
    for step, settings in job.step_models.items():
        yield ("steps", step, "model"), settings


def _check_kinds(job: Job) -> None:
    """What only Python can get wrong: a run file was checked when it was read."""
    wanted: dict[str, tuple[type, str]] = {
        "space": (SearchSpace, "make one, or SearchSpace.load(path)"),
        "objective": (Objective, "make one, or Objective.load(path)"),
        "budget": (Budget, "write Budget(calls=1000), say"),
        "name": (str, "give a text"),
    }
    for name, (kind, fix) in wanted.items():
        given = getattr(job, name)
        if not isinstance(given, kind):
            raise InputError(f"expected {kind.__name__}, found {describe(given)}", name, fix)
    if not JOB_NAME.fullmatch(job.name):
        raise InputError(
            f"{job.name!r} cannot name a job", "name", "use letters, digits, '-', '_' and '.' only"
        )


def _check_budget(job: Job) -> None:
    for name in LIMITS:
        limit = getattr(job.budget, name)
        number = type(limit) in (int, float) and math.isfinite(limit)
        if limit is not None and not (number and limit > 0):
            raise InputError(
                f"budget.{name} is {limit!r}",
                job.place("run", ("budget", name)),
                "give a number that is more than 0",
            )
    if not job.budget.limits:
        raise InputError(
            "the budget has no limit", job.place("run", ("budget",)), "set budget.calls, say"
        )


def _check_drawing(job: Job) -> None:
    """A model that draws takes texts, and neither judges nor rewrites."""
    for role, settings in (("judge", job.scorer), ("rewriter", job.writer)):
        needed = job.objective.may_judge if role == "judge" else bool(job.operators)
        own = getattr(job, role) is not None
        if settings.draws and needed and (own or role == "judge"):
            raise InputError(
                f"{settings.name} draws pictures, and the {role} has to write",
                job.place("run", (role,) if own else ("model",)),
                f"name a chat model:  {role}: {{name: …}}",
            )
    for step, part in job.space.prompts.items():
        if not job.step_models.get(step, job.model).draws:
            continue
        root = ("steps", step, "space") if job.space.chained else ()
        if any(message.images for message in part.messages):
            raise InputError(
                "the model draws from texts, and the prompt shows it a picture",
                job.place("space", (*root, "messages")),
                "describe the picture, or take a chat model (without `api`)",
            )


def _check_judge(job: Job) -> None:
    """Who scores must be able to read, and who writes must be able to write."""
    for place, settings in _models(job):
        if settings.api == "decisions" and place != ("judge",):
            raise InputError(
                "the Decisions API answers questions, and writes no text",
                job.place("run", (*place, "api")),
                "use it under `judge:`, and  api: chat  here",
            )
    judges = job.objective.judges
    if judges and job.scorer.embedded:
        raise InputError(
            f"the scorer {judges[0]} asks a model, and the pocket model cannot judge",
            job.place("run", ("judge",) if job.judge else ("model",)),
            "name a model that judges:  judge: {name: …, base_url: …}",
        )


def check_judge_model(job: Job) -> None:
    """Who scores, where nothing else is asked. Raises InputError."""
    _check_judge(job)
    _check_key(job, ("judge",) if job.judge else ("model",), job.scorer)


def _check_key(job: Job, place: tuple[str, ...], settings: ModelSettings) -> None:
    try:
        check_key(settings)
    except InputError as error:
        raise InputError(error.what, job.place("run", place) or error.where, error.fix) from None


def _check_parameters(job: Job) -> None:
    """What the space sets for the model must be what a model takes."""
    for step, part in job.space.prompts.items():
        root = ("steps", step, "space") if job.space.chained else ()
        api = job.step_models.get(step, job.model).api
        if part.tools and job.step_models.get(step, job.model).tools:
            raise InputError(
                "tools stand in the space and in the model's settings",
                job.place("space", (*root, "tools")),
                "write all of them into the space",
            )
        local = job.step_models.get(step, job.model).gguf
        if local is not None and "name" in part.model:
            raise InputError(
                f"a local file is one model ({local}), and the space names others",
                job.place("space", (*root, "model", "name")),
                "remove `name`, or serve the models yourself and give `base_url`",
            )
        for name, component in part.model.items():
            for value in _extremes(component):
                try:
                    if name not in (*PARAMETERS, "name"):
                        raise InputError(f"there is no model parameter {name!r}")
                    given = {"name": "any", "api": api, name: value}
                    ModelSettings.model_validate(given, strict=True)
                except (ValidationError, InputError) as error:
                    said = error.what if isinstance(error, InputError) else _said(error)
                    raise InputError(
                        f"the model parameter {name!r} cannot be {value!r}: {said}",
                        job.place("space", (*root, "model", name)),
                        "write numbers as a float or an int component, within the model's range",
                    ) from None


def _said(error: ValidationError) -> str:
    found = error.errors()[0]
    raised = found.get("ctx", {}).get("error")
    return str(raised.args[0]) if isinstance(raised, ValueError) else found["msg"]


def _extremes(component: "Json | Component") -> Iterable[Json]:
    match component:
        case Float(bounds=bounds) | Int(bounds=bounds):
            return bounds
        case Choice(choice=levels):
            return [level.text for level in levels if level.text is not None]
        case Text(text=text):
            return [text]
        case str() | int() | float():
            return [component]
        case _:
            return []
