"""Each step of a chain by itself: what it took, and what became of its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from promptlathe.job.job import Job
from promptlathe.records import Answer, Outcome, Sent, total
from promptlathe.results import StepReport

TELL = 0.1
"""Share of a step's answers that were cut off from which on a note says so."""


@dataclass
class _Tally:
    """Of one step so far."""

    calls: int = 0
    cached: int = 0
    tokens: int | None = 0
    usd: float | None = 0.0
    answers: int = 0
    seconds: float = 0.0
    cut_off: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])

    def add(self, sent: Sent) -> None:
        """One call; what was not paid for has neither tokens nor a price."""
        self.cached += sent.cached
        self.calls += not sent.cached
        if not isinstance(sent.reply, Answer):
            self.failed[sent.reply.reason] += 1
            return
        self.answers += 1
        self.seconds += sent.reply.latency
        self.cut_off += sent.reply.finish_reason == "length"
        if not sent.cached:
            self.tokens = total([self.tokens, sent.reply.tokens])
            self.usd = total([self.usd, sent.cost])


class StepCounts:
    """Counts the calls of each step as outcomes come; of a job with one prompt nothing."""

    def __init__(self, job: Job) -> None:
        self._job = job
        chained = job.space.chained
        self._tallies = {name: _Tally() for name in job.space.prompts} if chained else {}

    def add(self, outcome: Outcome) -> None:
        """Of any split."""
        for sent in outcome.trace.calls:
            if sent.call.role == "task" and sent.call.step in self._tallies:
                self._tallies[sent.call.step].add(sent)

    def reports(self, seed: Iterable[Outcome], best: Iterable[Outcome]) -> tuple[StepReport, ...]:
        """A line for each step. seed, best: their outcomes in the decision."""
        sides = tuple(seed), tuple(best)
        return tuple(self._report(step, tally, sides) for step, tally in self._tallies.items())

    def _report(
        self, step: str, tally: _Tally, sides: tuple[Sequence[Outcome], Sequence[Outcome]]
    ) -> StepReport:
        names = [scorer.name for scorer in self._job.objective.scorers if scorer.step == step]
        return StepReport(
            step=step,
            model=self._job.step_models.get(step, self._job.model).name,
            calls=tally.calls,
            cached=tally.cached,
            tokens=tally.tokens,
            usd=tally.usd,
            latency=tally.seconds / tally.answers if tally.answers else None,
            cut_off=tally.cut_off,
            failed=dict(tally.failed.most_common()),
            scores={name: (_mean(name, sides[0]), _mean(name, sides[1])) for name in names},
        )

    @property
    def notes(self) -> Iterator[str]:
        """A line for each step of which many answers were cut off."""
        for step, tally in self._tallies.items():
            if tally.cut_off and tally.cut_off >= TELL * tally.answers:
                most = self._job.step_models.get(step, self._job.model).max_tokens
                yield (
                    f"{tally.cut_off:,} of {tally.answers:,} answers of the step {step} were cut "
                    f"off: raise max_tokens of its model (now {most}), or ask for a shorter answer"
                )


def _mean(name: str, outcomes: Sequence[Outcome]) -> float | None:
    scores = [one.scores[name] for one in outcomes if name in one.scores]
    return sum(scores) / len(scores) if scores else None
