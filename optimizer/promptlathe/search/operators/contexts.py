"""Briefs: what an operator is told of a component, from the search so far."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from promptlathe.records import PROMPT, Candidate, Example, Standing, Value
from promptlathe.scoring import Contract
from promptlathe.search.operators.guards import language_of
from promptlathe.search.operators.lineage import LevelOrigin
from promptlathe.search.operators.operator_context import (
    MOST_ANSWERS,
    Case,
    OperatorContext,
    StepPlace,
    answer_text,
)
from promptlathe.search.operators.reflection import ReflectionExamples
from promptlathe.space import BoundSpace, Choice, JoinedSpace, SearchSpace, shown_tools

LONGER, LEAST_LONGEST = 3, 400
"""A text may have LONGER times the words of the longest that was declared; or LEAST_LONGEST."""
RELIABLE = 8
"""Answers of a candidate before its estimate says something about its levels."""


class Contexts:
    """Gathers what an operator is told."""

    def __init__(
        self,
        space: BoundSpace,
        requests: Mapping[str, str],
        answers: tuple[str, ...],
        examples: ReflectionExamples,
        *,
        target: str | None,
        contract: Contract,
        step_targets: Mapping[str, str | None] | None = None,
    ) -> None:
        """step_targets: of a chain that runs step by step, the field with what each step should
        answer, where one is known; None: nobody knows whose output is read."""
        self._requests, self._answers, self._reflection = requests, answers, examples
        self._target, self._contract = target, contract
        self._contracts = contract.sentences(answers)
        self._step_targets = step_targets
        self._longest = _longest(space.space)

    def context(
        self,
        name: str,
        space: BoundSpace,
        subject: Candidate,
        origins: Sequence[LevelOrigin],
        standings: Sequence[Standing],
        rng: np.random.Generator,
    ) -> OperatorContext:
        """About one component of a prompt."""
        component = space.space.rewritable[name]
        assert isinstance(component, Choice)
        level = str(dict(subject.levels)[name])
        text = text_of(space, name, dict(subject.levels)) or ""
        cases = self._reflection.cases(subject)
        met = {case.example.id for case in cases}
        place = self._place(space.space, name)
        reads = place is None or place.last
        return OperatorContext(
            subject=subject.id,
            component=name,
            level=level,
            text=text,
            known=texts_of(component),
            prompt=_marked(space, subject, name),
            beside=_beside(space, name),
            target=self._target,
            answers=self._answers,
            cases=cases,
            more=tuple(row for row in self._reflection.rows if row.id not in met),
            others=_others(component, name, level, origins, standings),
            rivals=self._rivals(component, name, level),
            reading=self._contract.reading,
            literal=self._contract.names_answers and reads,
            contracts=self._contracts if reads else (),
            protect=component.protect,
            longest=self._longest,
            language=language_of(text),
            prompts=self._requests,
            rng=rng,
            place=place,
        )

    def _place(self, space: SearchSpace, name: str) -> StepPlace | None:
        if self._step_targets is None or not isinstance(space, JoinedSpace):
            return None
        step, steps = space.step_of(name), list(space.prompts)
        later = steps[steps.index(step) + 1 :]
        return StepPlace(
            step,
            tuple(steps),
            tuple(one for one in later if step in space.prompts[one].shown),
            step == space.output,
            self._step_targets.get(step),
        )

    def _rivals(
        self, component: Choice, name: str, level: str
    ) -> tuple[tuple[str, str, tuple[Case, ...]], ...]:
        """Prompts that were read on the same rows and have another text there."""
        found: list[tuple[str, str, tuple[Case, ...]]] = []
        for cases in self._reflection.read_prompts():
            other = dict(cases[0].outcome.cell.candidate.levels).get(name, level)
            text = _text(component, other)
            if other != level and text:
                found.append((str(other), text, cases))
        return tuple(found)


def text_of(space: BoundSpace, name: str, levels: Mapping[str, Value]) -> str | None:
    """A component's text under these levels; None when it is not active or left out."""
    component = space.space.components[name]
    return _text(component, levels.get(name)) if isinstance(component, Choice) else None


def texts_of(component: Choice) -> tuple[str, ...]:
    """All its texts."""
    return tuple(level.text for level in component.choice if level.text is not None)


def answers_of(train: Sequence[Example], target: str | None) -> tuple[str, ...]:
    """All right answers, sorted; none when there are so many that they are free text."""
    if target is None:
        return ()
    found = {answer_text(example.row[target]) for example in train}
    few = len(found) <= min(MOST_ANSWERS, max(2, len(train) // 2))
    return tuple(sorted(found)) if few else ()


def _text(component: Choice, level: Value | None) -> str | None:
    return next((one.text for one in component.choice if one.name == level), None)


def _longest(space: SearchSpace) -> int:
    declared = [c for c in space.rewritable.values() if isinstance(c, Choice)]
    words = [len(text.split()) for component in declared for text in texts_of(component)]
    return max(LEAST_LONGEST, LONGER * max(words, default=0))


def _marked(space: BoundSpace, subject: Candidate, name: str) -> str:
    """The subject's prompt with `[[name]]` in place of the component's text."""
    component = space.space.components[name]
    assert isinstance(component, Choice)
    levels = dict(subject.levels)
    shown = [
        level.model_copy(update={"text": f"[[{name}]]"}) if level.name == levels[name] else level
        for level in component.choice
    ]
    marked = component.model_copy(update={"choice": tuple(shown)})
    changed = replace(space, space=space.space.with_components({name: marked}))
    prompts = changed.candidate(levels).prompts
    prompt = prompts[space.space.step_of(name) or PROMPT]
    parts = [f"[{message.role}]\n{message.text}" for message in prompt.messages]
    if tools := shown_tools(prompt):
        parts.append(f"[tools that it may call]\n{tools}")
    return "\n\n".join(parts)


def _beside(space: BoundSpace, name: str) -> tuple[tuple[str, str], ...]:
    """Of the same prompt."""
    whole, step = space.space, space.space.step_of(name)
    others = {one: c for one, c in whole.components.items() if isinstance(c, Choice)}
    return tuple(
        (one, text)
        for one, c in others.items()
        if one != name and whole.step_of(one) == step
        for text in texts_of(c)
    )


def _others(
    component: Choice,
    name: str,
    level: str,
    origins: Sequence[LevelOrigin],
    standings: Sequence[Standing],
) -> tuple[tuple[str, str], ...]:
    """Levels with other ancestors, by the best prompt that has them."""
    own = _ancestors(name, level, origins)
    best: dict[Value, float] = {}
    for standing in standings:
        other = dict(standing.candidate.levels).get(name)
        if other is None or standing.estimate is None or standing.estimate.n < RELIABLE:
            continue
        best[other] = max(best.get(other, -np.inf), standing.estimate.mean)
    ranked = sorted(best, key=lambda one: -best[one])
    apart = [one for one in ranked if not own & _ancestors(name, str(one), origins)]
    texts = [(str(one), _text(component, one)) for one in apart]
    return tuple((one, text) for one, text in texts if text)


def _ancestors(name: str, level: str, origins: Sequence[LevelOrigin]) -> frozenset[str]:
    """The level, and those made levels that it was made from: what was declared is common to all,
    unless it is the level itself."""
    parents = {origin.level: origin.parents for origin in origins if origin.component == name}
    found, waiting = {level}, list(parents.get(level, ()))
    while waiting:
        one = waiting.pop()
        if one in parents and one not in found:
            found.add(one)
            waiting.extend(parents[one])
    return frozenset(found)
