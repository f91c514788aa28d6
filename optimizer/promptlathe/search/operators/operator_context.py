"""What an operator is told: a text, how the prompt that holds it fared on `train`, and the rules.

No row of `select` or `test` is here, nor any score of one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TypeVar

import numpy as np

from promptlathe.data.values import as_text
from promptlathe.records import Example, FailureReason, Json, Outcome
from promptlathe.space import fill_declared, placeholders, step_outputs, transcript

MISTAKES = 24
"""Rows that are shown as mistakes, at most."""
OTHERS, EACH, MOST_OTHERS = 16, 2, 160
"""Further rows that are shown: EACH of every right answer, OTHERS at least."""
SHOWN = 600
"""Characters of a field or of an answer that are shown."""
MOST_ANSWERS = 200
"""Different right answers, beyond which they are not listed."""
NEAR = 1e-9
"""Of a value to the best that there is: sums of weights are not exact."""
FAILED: Mapping[FailureReason, str] = {
    "context_length": "the prompt was too long for the model",
    "content_filter": "the content filter of the service refused it",
    "target": "the program that uses the prompt failed",
}
"""Why there is no output, in words; for any other reason, the service refused the request."""
COMMON = ("component", "prompt", "text", "answers", "constraints")
"""Placeholders of every request."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Case:
    """A row of `train` that a prompt was tried on."""

    example: Example
    outcome: Outcome
    best: float | None = 1.0
    """The best value that there is, or that was seen; None when nothing good is known."""

    @property
    def right(self) -> bool:
        """Its value is the best."""
        value = self.outcome.value
        if value is None or self.best is None or self.outcome.failure is not None:
            return False
        return value >= self.best - NEAR

    @property
    def problem(self) -> str:
        """What is wrong with the output, in words."""
        if self.right:
            return ""
        if failure := self.outcome.failure:
            said = FAILED.get(failure.reason, "the service refused the request")
            return f"there is no output: {said} ({failure.detail})"
        if self.outcome.unread:
            return "the output could not be read"
        if self.outcome.value or self.outcome.rationales:
            of = "" if self.best is None else f", the best is {self.best:.3g}"
            return f"scored {self.outcome.value:.3g}{of}"
        return f'it was read as "{self.outcome.parsed}"'


@dataclass(frozen=True)
class StepPlace:
    """Where a prompt stands in a chain."""

    step: str
    steps: tuple[str, ...]
    """All of them, in order."""
    used_by: tuple[str, ...]
    """Later steps that are shown what it answers."""
    last: bool
    """Its output is the chain's."""
    target: str | None = None
    """The row's field with what it should answer itself, where a scorer knows one."""

    @property
    def about(self) -> str:
        """In words, for a request."""
        rest = (
            "what it answers is the chain's output"
            if self.last
            else f"what it answers is shown to {', '.join(self.used_by)}"
        )
        listed = ", ".join(self.steps)
        return f'(This prompt is the step "{self.step}" of a chain: {listed}; {rest}.)'

    def of_answers(self, answers: str) -> str:
        """The right answers, of this step and of the chain."""
        if self.last:
            return answers
        return f"Of this step: free text, which later steps use. Of the chain: {answers}"


@dataclass(frozen=True)
class OperatorContext:
    """What `operator(context)` gets. All rows are of `train`."""

    subject: str
    """Id of the prompt that it is about."""
    component: str
    level: str
    """The name of the present text."""
    text: str
    """The present text of the component."""
    known: tuple[str, ...]
    """All texts of the component."""
    prompt: str
    """The whole prompt; `[[component]]` stands for the part to be written."""
    beside: tuple[tuple[str, str], ...]
    """(component, text) of the other components: all their texts, since any may stand beside it."""
    target: str | None
    """The row's field with the right answer."""
    answers: tuple[str, ...]
    """All right answers, sorted; none when they are free text."""
    cases: tuple[Case, ...]
    """The rows that the prompt was tried on."""
    more: tuple[Example, ...]
    """Rows that it was not tried on."""
    others: tuple[tuple[str, str], ...]
    """(level, text) of further good texts of the component with other ancestors, best first."""
    rivals: tuple[tuple[str, str, tuple[Case, ...]], ...]
    """(level, text, cases) of prompts that differ in the component, with rows in common."""
    reading: str
    """How the output is read."""
    literal: bool
    """What is read must be one of the answers as they are written."""
    contracts: tuple[str, ...]
    """Sentences that ask for an output that can be read."""
    protect: tuple[str, ...]
    longest: int
    """Words that a text may have."""
    language: str | None
    """In which the text is written: a code such as `en`; None when that is not clear."""
    prompts: Mapping[str, str]
    """The requests that ship, by operator: Markdown with placeholders."""
    rng: np.random.Generator
    place: StepPlace | None = None
    """Of a chain, where the prompt stands in it; None: it is alone."""

    @property
    def mistakes(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if not case.right)

    @property
    def is_read(self) -> bool:
        """What this prompt makes the model say is the output that is read."""
        return self.place is None or self.place.last

    @property
    def unread(self) -> tuple[Case, ...]:
        """Cases whose output could not be read, or is none of the right answers; none of a step
        whose output is not the chain's."""
        if not self.is_read:
            return ()
        return tuple(case for case in self.mistakes if case.outcome.unread or self._alien(case))

    def _alien(self, case: Case) -> bool:
        if case.outcome.failure is not None:
            return False
        return bool(self.answers) and self.literal and case.outcome.parsed not in self.answers

    def ask(self, name: str, **values: str) -> str:
        """A shipped request, filled in; `values` are placeholders beyond those of every context."""
        answers = ", ".join(self.answers) or "free text"
        place = self.place
        common = (
            self.component,
            self.prompt if place is None else f"{place.about}\n\n{self.prompt}",
            self.text,
            answers if place is None else place.of_answers(answers),
            self._constraints(),
        )
        known = dict(zip(COMMON, common, strict=True))
        return fill_declared(self.prompts[name], {**known, **values}).strip()

    def sampled(self, cases: Sequence[Case], most: int = MISTAKES) -> list[Case]:
        """Of each kind of mistake in turn, the commonest kind first; of scores that lie between the
        worst and the best, each of which is a kind of its own, the lowest first."""
        kinds: dict[tuple[str, str], list[Case]] = {}
        drawn = [cases[int(i)] for i in self.rng.permutation(len(cases))]
        for case in sorted(drawn, key=lambda one: one.outcome.value or 0.0):
            kinds.setdefault((self.answer(case.example), case.problem), []).append(case)
        return in_turn(sorted(kinds.values(), key=len, reverse=True))[:most]

    def other_rows(self) -> str:
        """Rows with their right answers: some of each answer."""
        if self.target is None:
            return rows(self, [case for case in self.cases if case.right][:OTHERS])
        right = [case.example for case in self.cases if case.right]
        pool = [*right, *self.more]
        by_answer: dict[str, list[Example]] = {}
        for i in self.rng.permutation(len(pool)):
            by_answer.setdefault(self.answer(pool[int(i)]), []).append(pool[int(i)])
        most = min(MOST_OTHERS, max(OTHERS, EACH * len(by_answer)))
        return rows(self, in_turn(by_answer.values())[:most])

    def confusions(self) -> str:
        """What is taken for what, the commonest first."""
        pairs = Counter(
            (self.answer(case.example), str(case.outcome.parsed))
            for case in self.mistakes
            if case.outcome.parsed is not None
        )
        lines = [f"- {a}, taken for {b}: {n} rows" for (a, b), n in pairs.most_common(MISTAKES)]
        return "\n".join(lines)

    def shown_in(self, text: str) -> tuple[str, ...]:
        """Ids of the mistakes that stand in a request."""
        return tuple(c.example.id for c in self.mistakes if _row(self, c) in text)

    def answer(self, example: Example) -> str:
        """The right answer of a row."""
        return answer_text(example.row[self.target]) if self.target is not None else ""

    def _constraints(self) -> str:
        lines = [f'- Keep this phrase word for word: "{phrase}"' for phrase in self.protect]
        if names := placeholders(self.text):
            lines.append("- Keep every placeholder: " + ", ".join(f"{{{{ {n} }}}}" for n in names))
        lines.append("- Use no other placeholders in double braces.")
        lines.append(f"- At most {self.longest} words.")
        return "\n".join(lines)


def answer_text(value: Json) -> str:
    """A right answer as a request shows it."""
    return as_text(value) if isinstance(value, dict | list) else str(value)


def step_texts(outcome: Outcome) -> dict[str, str]:
    """What each step of a chain said."""
    said = step_outputs(outcome.trace.calls, outcome.cell.candidate.prompts)
    return {step: as_text(output) for step, output in said.items()}


def rows(context: OperatorContext, shown: Iterable[Case | Example]) -> str:
    """Rows as they stand in a request."""
    return "\n".join(_row(context, one) for one in shown) or "none"


def _row(context: OperatorContext, shown: Case | Example) -> str:
    example = shown.example if isinstance(shown, Case) else shown
    place = context.place
    said = step_texts(shown.outcome) if place and isinstance(shown, Case) else {}
    known = {**example.row, **said}
    shows = placeholders(f"{context.prompt}\n{context.text}")
    fields = [name for name in shows if name in known]
    lines = [f"{name}: {_short(known[name])}" for name in fields]
    if isinstance(shown, Case):
        lines += _passages(shown, place.step if place else None)
    if place and place.target is not None:
        lines.append(f"Expected of this step: {as_text(example.row[place.target])}")
    if context.target is not None:
        end = "" if context.is_read else " of the chain"
        lines.append(f"Expected{end}: {context.answer(example)}")
    if isinstance(shown, Case):
        if place and not context.is_read:
            lines.append(f"This step answered: {_short(said.get(place.step, 'nothing'))}")
        lines += _told(shown, "" if context.is_read else "The chain ")
    return "<row>\n" + "\n".join(lines) + "\n</row>"


def _passages(case: Case, step: str | None) -> list[str]:
    """The contexts that the prompt showed, each as it is cited."""
    for sent in reversed(case.outcome.trace.calls):
        if sent.call.shown and sent.call.role == "task" and step in (None, sent.call.step):
            return [f"Passage [{one.mark}]: {_short(one.text)}" for one in sent.call.shown]
    return []


def _told(case: Case, who: str) -> list[str]:
    """What the prompt made of the row, and what is wrong with it."""
    lines: list[str] = []
    if case.outcome.failure is None:
        trace = case.outcome.trace
        shown = "(a picture)" if trace.picture else _short(trace.text)
        answered = f"{who}answered: {shown}"
        lines.append(answered[0].upper() + answered[1:])
    if case.problem:
        lines.append(f"Problem: {case.problem}")
        said = case.outcome.rationales.items()
        lines += [f"Why, says {name}: {_short(rationale)}" for name, rationale in said]
    return lines


def _short(value: object) -> str:
    """Of a long conversation its end."""
    if turns := transcript(value):
        return turns if len(turns) <= SHOWN else f"… {turns[-SHOWN:]}"
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def in_turn(groups: Iterable[Sequence[Item]]) -> list[Item]:
    """The first of each group, then the second of each."""
    missing = object()
    mixed = chain.from_iterable(zip_longest(*groups, fillvalue=missing))
    return [one for one in mixed if one is not missing]  # type: ignore[misc]
