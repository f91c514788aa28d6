"""A promotion: new versions into the registry, then the alias `champion` on all of them; or a
proposal, with the alias `challenger`.

The versions that had it get the alias `previous`.

Before the first, the seed is registered: without the alias, as what champions are compared with.

The registry has no lock, and may be shared by machines. A promotion is right as long as the
versions that have the alias are those that the prompts were compared with. Of two runs that find it
right at the same moment the one whose version has the lower number goes on, since numbers are given
out one by one: each makes its version, which says which ones it follows, and then looks at those
before its own.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlathe.records import Candidate, Prompt
from promptlathe.track.aliases import AGAINST, was_rolled_back
from promptlathe.track.backend import Backend
from promptlathe.track.records import About, Conclusion, RegisteredPrompt
from promptlathe.track.registry import (
    EXPERIMENT_IDS,
    FILLS,
    FORMAT,
    MESSAGES,
    PARAMETERS,
    RUN_IDS,
    SET,
    TOOL_KEYS,
    template,
    versions_listed,
    with_alias,
)
from promptlathe.track.store import ALIAS, CHALLENGER, PREVIOUS

OVER = "promptlathe.over"
"""Version tag: the versions that had the alias when this one was made to follow them. A challenger
has AGAINST in its place: it holds up nobody who would follow the same ones."""
SEED = "finalist"
"""Version tag of a seed that a run began from."""
STALE = 600_000
"""Milliseconds after which a version that never got the alias holds up no other: whoever made it
is gone."""
LOOKS = 5


@dataclass(frozen=True)
class Promotion:
    """What became of it."""

    registered: Mapping[str, RegisteredPrompt] = field(default_factory=dict[str, RegisteredPrompt])
    """By the space's names; none when it was not right any more."""
    refused: str = ""
    """Why, then."""


def promote(
    backend: Backend, about: About, conclusion: Conclusion, *, run_id: str, experiment: str
) -> Promotion:
    """A new version of each prompt, linked both ways with the run, then the alias on all.

    A challenger gets its own alias, and the champion stays. The aliases move last and together:
    what fails before leaves the champion as it was. May be done again: what an earlier attempt
    made is gone on with, unless somebody rolled it back.
    """
    names, base = about.registered, conclusion.aliased
    mine = {name: _made(backend, name, run_id) for name in names.values()}
    made = {name: number for name, number in mine.items() if number is not None}
    if any(was_rolled_back(backend.client.get_prompt_version(n, one)) for n, one in made.items()):
        return Promotion(refused=f"{versions_listed(made)} was promoted, and rolled back by hand")
    now = {name: _number(with_alias(backend, name)) for name in names.values()}
    if others := {
        name: number
        for name, number in now.items()
        if number != base.get(name) and (number is None or number != mine[name])
    }:
        _withdraw(backend, {n: one for n, one in mine.items() if one != now[n]})
        return Promotion(refused=_overtaken(others, base))
    versions: dict[str, int] = {}
    for name, registered in names.items():
        versions[registered] = mine[registered] or _new_version(
            backend,
            about,
            registered,
            conclusion.best[name],
            commit_message(conclusion),
            _tags(conclusion, run_id),
            experiment,
        )
    first = next(iter(versions))
    proposed = conclusion.alias == CHALLENGER
    if not proposed and (before := _before(backend, first, base, versions[first])):
        _withdraw(backend, versions)
        return Promotion(refused=_overtaken({first: before}, base))
    _bind(backend, run_id, versions)
    for name, number in base.items() if not proposed else ():
        backend.client.set_prompt_alias(name, PREVIOUS, number)
    for name, number in versions.items():
        backend.client.set_prompt_alias(name, conclusion.alias, number)
    return Promotion(
        {
            name: RegisteredPrompt(names[name], versions[names[name]], prompt, run_id)
            for name, prompt in conclusion.best.items()
        }
    )


def register_seed(
    backend: Backend, about: About, conclusion: Conclusion, *, run_id: str, experiment: str
) -> None:
    """The seed as the first version of each prompt that has none, without an alias.

    So that the first champion can be compared with something in MLflow. Of two runs that find none
    at the same moment the one whose version has the lower number made it. May be done again.
    """
    versions: dict[str, int] = {}
    for name, registered in about.registered.items():
        there: list[Any] = []
        if backend.client.get_prompt(registered) is not None:
            there = _versions(backend, registered)
        own = [int(v.version) for v in there if v.tags.get(RUN_IDS) == run_id and SEED in v.tags]
        if there and not own:
            continue
        number = own[0] if own else _seed(backend, about, conclusion, name, run_id, experiment)
        if any(int(one.version) < number for one in _versions(backend, registered)):
            _withdraw(backend, {registered: number})
        else:
            versions[registered] = number
    if versions:
        _bind(backend, run_id, versions)


def _seed(
    backend: Backend, about: About, conclusion: Conclusion, name: str, run_id: str, experiment: str
) -> int:
    tags = {RUN_IDS: run_id, SEED: "seed", "candidate": Candidate((), conclusion.seed).id}
    said = "the seed, not compared on held-out rows"
    if against := conclusion.comparison:
        tags |= {"score": f"{against.baseline:.4f}", "n": str(against.examples)}
        said = f"the seed: {against.baseline:.2f} on {against.examples} held-out rows"
    registered, prompt = about.registered[name], conclusion.seed[name]
    return _new_version(backend, about, registered, prompt, said, tags, experiment)


def _bind(backend: Backend, run_id: str, versions: Mapping[str, int]) -> None:
    """As a set. Which run made them stands in RUN_IDS: the run's page finds them by it, and would
    list them twice with the tag `mlflow.linkedPrompts`."""
    entry = json.dumps({"run": run_id, "versions": versions})
    for name, number in versions.items():
        backend.client.set_prompt_version_tag(name, number, SET, entry)


def _overtaken(others: Mapping[str, int | None], base: Mapping[str, int]) -> str:
    met = versions_listed(base) if base else "no champion"
    there = versions_listed({name: number for name, number in others.items() if number})
    return (
        f"the best prompt was not promoted: it was compared with {met}, and meanwhile another run "
        f"promoted {there}; run again to compare with it"
        if there
        else f"the best prompt was not promoted: it was compared with {met}, which lost the alias "
        f"{ALIAS!r} meanwhile"
    )


def _number(version: Any) -> int | None:
    return None if version is None else int(version.version)


def _made(backend: Backend, name: str, run_id: str) -> int | None:
    """The version to promote that an earlier attempt of this run made."""
    if backend.client.get_prompt(name) is None:
        return None
    made = [
        int(one.version)
        for one in _versions(backend, name)
        if one.tags.get(RUN_IDS) == run_id and not one.tags.keys().isdisjoint((OVER, AGAINST))
    ]
    return max(made, default=None)


def _before(backend: Backend, name: str, base: Mapping[str, int], own: int) -> int | None:
    """The version of another run that follows the same ones, and was made first."""
    if own - base.get(name, 0) == 1:
        return None
    mine: Any = backend.client.get_prompt_version(name, own)
    for one in _versions(backend, name):
        number = int(one.version)
        same = one.tags.get(OVER) == _over(base)
        fresh = mine.creation_timestamp - one.creation_timestamp < STALE
        stands = fresh and not was_rolled_back(one)
        if base.get(name, 0) < number < own and same and stands:
            return number
    return None


def _versions(backend: Backend, name: str) -> list[Any]:
    """The latest of a prompt, asked again when another run takes one away at that moment: MLflow
    then finds a part of it, and fails."""
    from mlflow.exceptions import MlflowException

    for _ in range(LOOKS):
        try:
            return list(backend.client.search_prompt_versions(name))
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            time.sleep(0.1)
    return list(backend.client.search_prompt_versions(name))


def _withdraw(backend: Backend, versions: Mapping[str, int | None]) -> None:
    """Leave no version behind that nobody decided for."""
    for name, number in versions.items():
        if number is not None:
            backend.client.delete_prompt_version(name, str(number))


def _over(base: Mapping[str, int]) -> str:
    return versions_listed(base) or "none"


def _new_version(
    backend: Backend,
    about: About,
    registered: str,
    prompt: Prompt,
    said: str,
    tags: Mapping[str, str],
    experiment: str,
) -> int:
    _ensure_prompt(backend, registered, experiment)
    tags = {**tags, PARAMETERS: json.dumps(dict(prompt.parameters))}
    messages = [message.to_dict() for message in prompt.messages]
    shown = template(prompt.messages)
    if shown != messages:
        tags[MESSAGES] = json.dumps(messages, ensure_ascii=False)
    if prompt.fills:
        tags[FILLS] = json.dumps(dict(prompt.fills), ensure_ascii=False)
    if prompt.tool_keys:
        tags[TOOL_KEYS] = json.dumps(dict(prompt.tool_keys))
    parameters = {**about.parameters, **dict(prompt.parameters)}
    version: Any = backend.client.create_prompt_version(
        registered,
        shown,
        description=said,
        tags=tags,
        response_format=parameters.pop(FORMAT, None),
        model_config={"model_name": parameters.pop("name", about.model), **parameters},
    )
    return int(version.version)


def commit_message(conclusion: Conclusion) -> str:
    """One line: the prompts' list shows nothing else of a score."""
    against = conclusion.decisive
    if against is None:
        return "not compared on held-out rows"
    return (
        f"{against.gain:+.2f} over the {conclusion.compared_with} "
        f"({100 * (1 - against.alpha):.4g} % interval {against.low:+.2f} to {against.high:+.2f}): "
        f"{against.challenger:.2f} on {against.examples} held-out rows{_after(conclusion)}"
    )


def _after(conclusion: Conclusion) -> str:
    calls = conclusion.metrics.get("calls")
    return "" if calls is None else f", after {calls:,.0f} calls"


def _ensure_prompt(backend: Backend, name: str, experiment: str) -> None:
    from mlflow.exceptions import MlflowException

    prompt = backend.client.get_prompt(name)
    if prompt is None:
        try:
            backend.client.create_prompt(name, tags={EXPERIMENT_IDS: f",{experiment},"})
            return
        except MlflowException:
            prompt = backend.client.get_prompt(name)
            if prompt is None:  # no other run was just quicker
                raise
    known = [e for e in prompt.tags.get(EXPERIMENT_IDS, "").split(",") if e]
    if experiment not in known:
        listed = ",".join([*known, experiment])
        backend.client.set_prompt_tag(name, EXPERIMENT_IDS, f",{listed},")


def _tags(conclusion: Conclusion, run_id: str) -> dict[str, str]:
    tags = {
        RUN_IDS: run_id,
        AGAINST if conclusion.alias == CHALLENGER else OVER: _over(conclusion.aliased),
        "candidate": Candidate((), conclusion.best).id,
        "verdict": conclusion.verdict or "not compared",
        "compared_with": conclusion.compared_with,
    }
    if against := conclusion.comparison:
        tags |= {
            "score": f"{against.challenger:.4f}",
            "seed_score": f"{against.baseline:.4f}",
            "gain": f"{against.gain:+.4f}",
            "interval": f"{against.low:+.4f} to {against.high:+.4f}",
            "n": str(against.examples),
        }
    if over := conclusion.champion:
        tags["gain_over_champion"] = f"{over.gain:+.4f}"
    if calls := conclusion.metrics.get("calls"):
        tags["calls"] = f"{calls:.0f}"
    if conclusion.opening is not None:
        tags["test_opening"] = str(conclusion.opening)
    return tags
