"""A look at the champion, and at the seed beside it: what was asked, and what is kept of it.

Answers that are known do not count: a look has a ledger of its own, which is thrown away.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from promptlathe import clock
from promptlathe.errors import Interrupted
from promptlathe.job.asking import Told, ask
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.ledger import Asking, Ledger, sqlite_url
from promptlathe.records import Budget, Candidate, Cell, Example, Outcome, content_hash
from promptlathe.runtime.account import Account

LOST = 0.1
"""Of the rows without an answer at most; a look with more does not count."""
Scores = Mapping[str, float | None]
"""By example id; None where the service gave no answer."""


@dataclass(frozen=True)
class Look:
    """What was seen at a moment."""

    at: datetime
    scores: Scores
    """The champion's."""
    seconds: float | None
    """Mean of a call of the champion."""
    usd: float | None
    """Of the look."""
    calls: int
    wanted: int = 0
    """`watch.rows` then."""
    seed: Scores | None = None
    """The seed's; None where it was not asked."""
    cost: float | None = None
    """USD of the champion per row."""
    served: tuple[str, ...] = ()
    """How the service named what answered: model and fingerprint."""

    @property
    def lost(self) -> int:
        """Rows without an answer."""
        return sum(1 for score in self.scores.values() if score is None)

    @property
    def counts(self) -> bool:
        """It has enough answers."""
        return self.lost <= LOST * len(self.scores)

    def written(self) -> str:
        """As JSON, but for the moment."""
        content = {key: value for key, value in asdict(self).items() if key != "at"}
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def read(cls, at: datetime, content: str) -> "Look":
        """What `written` gave."""
        data: dict[str, Any] = json.loads(content)
        data["served"] = tuple(data.get("served", ()))
        return cls(at=at, **data)


def canaries(
    test: Sequence[Example], count: int, known: Sequence[Example] = (), last: Look | None = None
) -> list[Example]:
    """The same rows at each look, whatever their order and whichever split they are in by now.

    test: the rows to choose from for a first look. known: all rows. last: the latest look, whose
    rows are taken again, as long as nearly all of them are there.
    """
    if last is not None and last.wanted == count:
        there = [row for row in known if row.id in last.scores]
        if len(there) >= (1 - LOST) * len(last.scores):
            return sorted(there, key=lambda row: row.id)
    return sorted(test, key=lambda row: content_hash(["canary", row.id]))[:count]


def matrix(looks: Sequence[Scores], rows: Sequence[str]) -> list[list[float]]:
    """Scores, shape (looks, rows). A row without an answer has its mean over the other looks, or
    that of the look: there are few (LOST)."""
    known = {row: [score for look in looks if (score := look.get(row)) is not None] for row in rows}
    means = {row: fmean(scores) for row, scores in known.items() if scores}
    overall = fmean(means.values()) if means else 0.0
    return [
        [means.get(row, overall) if (score := look.get(row)) is None else score for row in rows]
        for look in looks
    ]


class Looking:
    """One look, with an account and a ledger of its own."""

    def __init__(
        self, job: Job, plan: Plan, champion: Candidate, rows: Sequence[Example], tell: Told
    ) -> None:
        # Nobody learns from chances of labels here.
        self._job = replace(job, search=job.search.model_copy(update={"soft": "off"}))
        self._plan, self._champion, self._rows = plan, champion, rows
        self._seed = plan.space.seed if job.watch.seed else champion
        self._tell = tell
        self._account = Account(Budget(), job.paid)
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """By candidate and row."""

    @property
    def _prompts(self) -> list[Candidate]:
        """The champion, and the seed, unless that is the same prompt."""
        return [*{one.id: one for one in (self._champion, self._seed)}.values()]

    async def to_the_end(self) -> Look:
        try:
            with TemporaryDirectory(prefix="promptlathe-look-") as folder:
                await self._ask(Path(folder))
        except asyncio.CancelledError:
            raise Interrupted(len(self.outcomes)) from None
        return self._seen()

    async def _ask(self, folder: Path) -> None:
        ledger, asking = Ledger(sqlite_url(folder / "ledger.db")), Asking()
        cells = [Cell(prompt, row) for row in self._rows for prompt in self._prompts]

        def seen(outcome: Outcome) -> None:
            self.outcomes[outcome.cell.candidate.id, outcome.cell.example.id] = outcome
            self._tell(len(self.outcomes), len(cells))

        try:
            await ask(
                self._job,
                cells,
                self._account,
                ledger,
                run="look",
                first_guess=self._plan.first_guess,
                asking=asking,
                seen=seen,
            )
        finally:
            asking.close()
            ledger.close()

    def _seen(self) -> Look:
        spent = self._account.spent
        mine = [one for row in self._rows if (one := self._of(self._champion, row))]
        answers = [a for one in mine for a in one.trace.answers()]
        costs = [one.cost for one in mine if one.value is not None]
        known = [cost for cost in costs if cost is not None]
        beside = len(self._prompts) > 1
        return Look(
            at=clock.now(),
            scores=self._scores(self._champion),
            seconds=fmean(one.latency for one in answers) if answers else None,
            usd=spent.usd,
            calls=spent.calls,
            wanted=self._job.watch.rows,
            seed=self._scores(self._seed) if beside else None,
            cost=fmean(known) if known and len(known) == len(costs) else None,
            served=tuple(sorted({one.served for one in answers if one.served})),
        )

    def _of(self, candidate: Candidate, row: Example) -> Outcome | None:
        return self.outcomes.get((candidate.id, row.id))

    def _scores(self, candidate: Candidate) -> Scores:
        outcomes = {row.id: self._of(candidate, row) for row in self._rows}
        return {row: one and one.value for row, one in outcomes.items()}
