"""Each step of a chain by itself: what it took, and what became of its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from promptlathe.job.job import Job
from promptlathe.records import Answer, Outcome, Sent, total

TELL = 0.1
"""Share of a step's answers that were cut off from which on a note says so."""


@dataclass(frozen=True)
class StepReport:
    """One step, over all cells of a run that ended."""

    step: str
    model: str
    calls: int
    """Sent and paid for in this run."""
    cached: int
    """Answers that were known already, or shared with an equal call."""
    tokens: int | None
    """Input and output of what was paid for; None when the service does not say."""
    usd: float | None
    """The same; None when a price or tokens are unknown."""
    latency: float | None
    """Seconds, mean over its answers; None without any."""
    cut_off: int
    """Answers that reached the limit of tokens, cached ones included."""
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    """Calls that gave no answer, by reason."""
    scores: Mapping[str, tuple[float | None, float | None]] = field(
        default_factory=dict[str, tuple[float | None, float | None]]
    )
    """Of its own scorers, the means of seed and best on the rows of the decision."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        scores = {name: {"seed": a, "best": b} for name, (a, b) in self.scores.items()}
        return {**asdict(self), "scores": scores}


class StepCounts:
    """Counts the calls of each step as outcomes come; of a job with one prompt nothing."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sent: dict[str, list[Sent]] = (
            {name: [] for name in job.space.prompts} if job.space.chained else {}
        )

    def add(self, outcome: Outcome) -> None:
        """Of any split."""
        for sent in outcome.trace.calls:
            if sent.call.role == "task" and sent.call.step in self._sent:
                self._sent[sent.call.step].append(sent)

    def reports(self, seed: Iterable[Outcome], best: Iterable[Outcome]) -> tuple[StepReport, ...]:
        """A line for each step. seed, best: their outcomes in the decision."""
        sides = tuple(seed), tuple(best)
        return tuple(self._report(step, sent, sides) for step, sent in self._sent.items())

    def _report(
        self, step: str, sent: Sequence[Sent], sides: tuple[Sequence[Outcome], Sequence[Outcome]]
    ) -> StepReport:
        paid = [one for one in sent if not one.cached and isinstance(one.reply, Answer)]
        answers = [one.reply for one in sent if isinstance(one.reply, Answer)]
        failed = Counter(one.reply.reason for one in sent if not isinstance(one.reply, Answer))
        names = [scorer.name for scorer in self._job.objective.scorers if scorer.step == step]
        return StepReport(
            step=step,
            model=self._job.step_models.get(step, self._job.model).name,
            calls=sum(not one.cached for one in sent),
            cached=sum(one.cached for one in sent),
            tokens=total([one.reply.tokens for one in paid if isinstance(one.reply, Answer)]),
            usd=total([one.cost for one in paid]),
            latency=sum(one.latency for one in answers) / len(answers) if answers else None,
            cut_off=_cut(answers),
            failed=dict(failed.most_common()),
            scores={name: (_mean(name, sides[0]), _mean(name, sides[1])) for name in names},
        )

    @property
    def notes(self) -> Iterator[str]:
        """A line for each step of which many answers were cut off."""
        for step, sent in self._sent.items():
            answers = [one.reply for one in sent if isinstance(one.reply, Answer)]
            cut = _cut(answers)
            if cut and cut >= TELL * len(answers):
                most = self._job.step_models.get(step, self._job.model).max_tokens
                yield (
                    f"{cut:,} of {len(answers):,} answers of the step {step} were cut off: raise "
                    f"max_tokens of its model (now {most}), or ask for a shorter answer"
                )


def _cut(answers: Iterable[Answer]) -> int:
    return sum(answer.finish_reason == "length" for answer in answers)


def _mean(name: str, outcomes: Sequence[Outcome]) -> float | None:
    scores = [one.scores[name] for one in outcomes if name in one.scores]
    return sum(scores) / len(scores) if scores else None
