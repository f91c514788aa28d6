"""What became of the answers, by candidate and in all, with a sample and what to do about it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.records import Failure, Outcome
from promptlathe.results import STATES, AnswerCounts
from promptlathe.results.answers import state_of
from promptlathe.scoring.answers import State
from promptlathe.space import JoinedSpace

FIRST = 12
"""Answers without one that can be used after which a run stops."""
PROMPTS, TRIAL = 3, 20
"""So many prompts, and answers, are seen before it stops for what other prompts may mend."""
TELL = 0.1
"""Share of the answers in a state from which on a note says so."""
SAMPLE = 120
"""Characters of a sample."""
_FIXES: Mapping[State, str] = {
    "cut off": "raise model.max_tokens (now {max_tokens}), or ask for a shorter answer",
    "empty": "raise model.max_tokens (now {max_tokens}), which reasoning may take up, or lower "
    "model.reasoning_effort",
    "refused": "see what the prompts and the rows ask for",
    "unread": "say in the prompt how to answer, or set `parse` to what the model answers in",
}


class AnswerStates:
    """Counts the outcomes of a run as they come."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._states: defaultdict[str, Counter[State]] = defaultdict(Counter)
        self._failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._levels: defaultdict[str, set[Any]] = defaultdict(set)
        self._used = False
        """An answer came that could be read, or earned a score."""
        self.samples: dict[State, str] = {}
        """The first answer in each state."""
        self.last_failure: Failure | None = None

    def add(self, outcome: Outcome) -> None:
        """Raises InputError when none of the first answers can be used."""
        candidate = outcome.cell.candidate
        if outcome.failure is not None:
            self._failed[candidate.id][outcome.failure.reason] += 1
            self.last_failure = outcome.failure
            return
        found = state_of(outcome)
        self._states[candidate.id][found] += 1
        self.samples.setdefault(found, _sample(outcome))
        self._used = self._used or found == "answered" or not outcome.unread
        if not self._used:
            for name, level in candidate.levels:
                self._levels[name].add(level)
            self._check_first()

    def of(self, *candidates: str) -> AnswerCounts:
        """Of these candidates; of all when none is named."""
        wanted = candidates or {*self._states, *self._failed}
        states, failed = Counter[State](), Counter[str]()
        for one in wanted:
            states.update(self._states.get(one, {}))
            failed.update(self._failed.get(one, {}))
        return AnswerCounts(dict(states), dict(failed))

    @property
    def notes(self) -> Iterable[str]:
        """A line for each state, but `answered`, in which many answers are."""
        counts = self.of()
        for one in STATES:
            n = counts.by_state.get(one, 0)
            if one != "answered" and n >= TELL * counts.total:
                yield (
                    f"{n:,} of {counts.total:,} answers were {one}, such as {self.samples[one]}: "
                    f"{self._fix(one)}"
                )

    def _check_first(self) -> None:
        counts = self.of().by_state
        total = sum(counts.values())
        if total < FIRST:
            return
        cut = counts.get("cut off", 0) + counts.get("empty", 0)
        fixed = not any("max_tokens" in part.model for part in self._job.space.prompts.values())
        if not (fixed and cut >= 0.8 * total) and not self._prompts_do_not_matter(total):
            return
        most = max(counts, key=lambda one: counts[one])
        raise InputError(
            f"none of the first {total} answers can be used: {self.of()}; such as "
            f"{self.samples[most]}",
            self._job.place("run", ("model",)),
            self._fix(most),
        )

    def _prompts_do_not_matter(self, total: int) -> bool:
        """Nothing makes new texts; several prompts were tried, and two levels of each component
        that has two (demos: two counts): one of the others may be the form that can be read."""
        if self._job.operators or len(self._states) < PROMPTS or total < TRIAL:
            return False
        return all(
            len(self._levels[one.name]) > 1
            for one in self._job.space.parameters
            if not one.when and one.domain.count != 1
        )

    def _fix(self, one: State) -> str:
        job = self._job
        last = job.space.output if isinstance(job.space, JoinedSpace) else ""
        return _FIXES[one].format(max_tokens=job.step_models.get(last, job.model).max_tokens)


def _sample(outcome: Outcome) -> str:
    text = outcome.trace.text or (outcome.answer.text if outcome.answer else "")
    said = repr(text if len(text) <= SAMPLE else f"{text[:SAMPLE]}…")
    return said if text else "an empty text"
