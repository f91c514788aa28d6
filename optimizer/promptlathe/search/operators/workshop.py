"""The workshop: a policy around a policy, which makes new levels while the other searches.

    policy's best ─→ read it on rows of `train` ─→ an operator, by the bandit ─→ request ─→ texts
                                                                                  guards ─┤
    policy.extend(space) ←──────────── one more level ←────────────────────────────────────┘

Rows of `train` are cells like any other and take slots; requests go to the rewriter, take none,
and nothing waits for them: the policy inside goes on proposing its cells. Both count against
`share` of the budget's calls, more of it early (PACE), so that new levels have time to be tried.
An operator whose tries give nothing new rests until another prompt is the best.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from promptlathe.errors import InputError
from promptlathe.objective import Contract
from promptlathe.records import (
    Answer,
    Candidate,
    Cell,
    Key,
    Message,
    Request,
    Rewritten,
    Standing,
    Told,
    Value,
    content_hash,
)
from promptlathe.records import Work as Paid
from promptlathe.search.operators.bandit import choose
from promptlathe.search.operators.book import TrainBook
from promptlathe.search.operators.brief import Brief, Case
from promptlathe.search.operators.briefing import RELIABLE, Briefing, answers_of, text_of, texts_of
from promptlathe.search.operators.guards import Leaks, objection, unwrapped
from promptlathe.search.operators.lineage import (
    Birth,
    Descent,
    OperatorReport,
    Work,
    descendants,
    report_of,
)
from promptlathe.search.operators.portfolio import DEMOS, Portfolio, is_refusal, read_texts
from promptlathe.search.operators.recruit import RECRUITERS
from promptlathe.search.policy import Policy
from promptlathe.space import BoundSpace, Choice, Demos

ASKED = 3
"""Requests under way at most."""
START, SPENT_AT = 0.2, 0.6
"""Share of the calls for rewriting that may be used at once, and the part of the budget at which
all of them may."""
UNPLANNED = 60
"""Calls for rewriting that may be used at once where the budget does not limit calls."""
BARREN = 3
"""Tries in a row without a level after which an operator rests."""
UNREACHABLE = 3
"""Failed requests in a row after which the rewriter is not asked again."""
OPEN, TRIED = 6, 8
"""Levels that wait to be tried and requests under way, at most; answers after which one counts as
tried."""
TRIALS = 0.25
"""Share of the calls that may go to the trials of new levels, after the first OPEN of them."""
SETTLED = 50
"""Calls for which a prompt is written about at least."""
PRICE = 0.2
"""Points that a new text must gain for each 100 words that it is longer than its parent."""
SETS = 3
"""A recruited set has this many times the rows of the most demos."""


@dataclass(frozen=True)
class Terms:
    """What the workshop must know of a job."""

    calls: int | None
    """Of the search's budget, if it is known."""
    share: float
    seed: int
    target: str | None
    """The row's field with the right answer."""
    contract: Contract
    """How outputs are read."""


@dataclass
class _Asked:
    """A request under way."""

    operator: str
    brief: Brief
    subject: Candidate


@dataclass
class _Log:
    births: list[Birth] = field(default_factory=list[Birth])
    work: dict[str, Work] = field(default_factory=dict[str, Work])
    notes: list[str] = field(default_factory=list[str])


class Workshop:
    """A `Policy`; see the module's text."""

    def __init__(
        self,
        inner: Policy,
        space: BoundSpace,
        portfolio: Portfolio,
        terms: Terms,
        leaks: Leaks,
    ) -> None:
        self._inner, self.space, self._portfolio, self._terms = inner, space, portfolio, terms
        self._leaks = leaks
        self._rng = np.random.default_rng([terms.seed, 4])
        self._answers = answers_of(space.train, terms.target)
        allowance = None if terms.calls is None else int(terms.share * terms.calls)
        self._allowance = allowance
        self._book = TrainBook(
            space.train, terms.target, len(self._answers), allowance=allowance, seed=terms.seed
        )
        self._log = _Log(work={name: Work() for name in self._names})
        self._subject = space.seed
        self._asked: dict[Key, _Asked] = {}
        self._often: dict[str, int] = {}
        """How often the same content was asked."""
        self._recruited: set[tuple[str, str, str]] = set()
        """(kind, component, prompt) of the sets that were made or tried."""
        self._numbers = count()
        self._calls: dict[tuple[str, Value], int] = {}
        """Answers so far by level that was made."""
        self._used = self._own = self._settled_until = 0
        """Calls told, calls sent for rewriting, and the call until which the subject stays."""
        self._task_tokens, self._task_calls = 0, 0
        self._failed_in_a_row = 0
        self._silent = False
        """The rewriter is not asked again."""
        self._briefing = Briefing(space, portfolio.requests, terms, self._answers, self._book)
        self._turn: dict[str, int] = {}
        """Which component or kind of set comes next, by operator."""

    # The seam

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Paid]:
        """Cells of `train` first, then what the policy inside wants, then requests."""
        cells = [cell for _, cell in zip(range(limit), self._reading(), strict=False)]
        rest = [cell for cell in pending if cell.example.split != "train"]
        requests = list(self._requests())  # what they make at once may be proposed at once
        if len(cells) < limit:
            cells += self._inner.propose(rest, limit - len(cells))
        return [*cells, *requests]

    def tell(self, outcome: Told) -> list[Standing]:
        self._used += 1
        if isinstance(outcome, Rewritten):
            self._receive(outcome)
            return []
        if outcome.tokens is not None:
            self._task_tokens += outcome.tokens
            self._task_calls += 1
        if outcome.cell.example.split != "train":
            for level in outcome.cell.candidate.levels:
                if level in self._calls:
                    self._calls[level] += 1
            return self._inner.tell(outcome)
        self._book.take(outcome)
        return []

    def extend(self, space: BoundSpace) -> None:
        self.space = space
        self._inner.extend(space)

    @property
    def best(self) -> Standing:
        return self._inner.best

    @property
    def seed(self) -> Standing:
        return self._inner.seed

    @property
    def standings(self) -> Sequence[Standing]:
        return self._inner.standings

    @property
    def finish_reason(self) -> str | None:
        return self._inner.finish_reason

    def close(self) -> None:
        self._inner.close()

    # What it made

    @property
    def births(self) -> Sequence[Birth]:
        """The levels that were made, in order."""
        return self._log.births

    @property
    def notes(self) -> Sequence[str]:
        """What went wrong, each once."""
        return self._log.notes

    def reports(self, lineage: Sequence[Descent]) -> Sequence[OperatorReport]:
        """What each operator did, given what became of its levels."""
        return [report_of(name, work, lineage) for name, work in self._log.work.items()]

    # Calls

    def _affords(self, calls: int) -> bool:
        """Whether so many more may be spent on rewriting now; all, when the search is over."""
        if self._allowance is None:
            return self._own + calls <= UNPLANNED + self._terms.share * self._used
        planned = self._terms.calls or 1
        part = min(1.0, START + (1 - START) * self._used / (SPENT_AT * planned))
        part = 1.0 if self._inner.finish_reason else part
        return self._own + calls <= part * self._allowance

    def _reading(self) -> Iterator[Cell]:
        """The rows of `train` that the subject has not met."""
        if self._book.missing(self._subject) and self._affords(1):
            for cell in self._book.unread(self._subject):
                self._own += 1
                yield cell

    def _requests(self) -> Iterator[Request]:
        while len(self._asked) + self._untried < OPEN and len(self._asked) < ASKED:
            ready = [name for name in self._names if self._log.work[name].barren < BARREN]
            settled = self._choose_subject() and self._book.is_read(self._subject)
            if not (ready and settled and self._affords(1) and self._has_room):
                return
            self._own += 1  # a try without a request has its price too: the calls of its levels
            name = self._next(ready)
            if name == DEMOS:
                self._recruit()
            elif (request := self._write(name)) is not None:
                yield request

    @property
    def _has_room(self) -> bool:
        """The calls that new levels cost until they are tried have their share too."""
        levels = len(self.births) + len(self._asked)
        return TRIED * levels <= TRIED * OPEN + TRIALS * self._used

    @property
    def _untried(self) -> int:
        """Levels that were made and not tried yet."""
        return sum(calls < TRIED for calls in self._calls.values())

    def _choose_subject(self) -> bool:
        """What is the best now is written about, once its rows can be read; False until then."""
        best = self._inner.best.candidate
        if best == self._subject or self._used < self._settled_until:
            return True
        if not self._affords(self._book.missing(best)):
            return self._inner.finish_reason is not None
        self._subject, self._settled_until = best, self._used + SETTLED
        for work in self._log.work.values():
            work.barren = 0
        return True

    # Operators

    @property
    def _names(self) -> list[str]:
        return [*self._portfolio.operators, *([DEMOS] if self._portfolio.demos else [])]

    def _next(self, ready: Sequence[str]) -> str:
        """Outputs that cannot be read come first: nothing else can be seen before."""
        if "format" in ready:
            return "format"
        each = TRIED * self._task_tokens / max(self._task_calls, 1)
        gained = dict.fromkeys(ready, 0.0)
        for birth, gain in self._gains():
            if birth.operator in gained:
                gained[birth.operator] += gain
        work = self._log.work
        spent = {name: work[name].tokens + each * work[name].levels for name in ready}
        return choose(gained, spent, self._rng)

    def _gains(self) -> Iterator[tuple[Birth, float]]:
        """Points that the best prompt would lose without each level and what was made from it.

        Longer texts must gain more.
        """
        found = [
            (standing.estimate.mean, frozenset(standing.candidate.levels))
            for standing in self._inner.standings
            if standing.estimate is not None and standing.estimate.n >= RELIABLE
        ]
        best = max((mean for mean, _ in found), default=0.0)
        for birth in self.births:
            gone = descendants(birth, self.births)
            without = max((mean for mean, levels in found if not gone & levels), default=best)
            yield birth, max(0.0, 100 * (best - without) - PRICE * birth.longer / 100)

    def _write(self, name: str) -> Request | None:
        """Ask an operator for a text of the component whose turn it is."""
        work, brief = self._log.work[name], self._brief(name)
        work.barren += 1
        if brief is None:
            return None
        try:
            made = self._portfolio.operators[name](brief)
        except InputError as error:
            self._note(f"the operator {name} is not used any more: {error.what}")
            work.barren = 10**6
            return None
        if isinstance(made, str):
            return self._ask(name, brief, made)
        for text in made or ():
            self._admit(name, brief, text, self._subject, tokens=0)
        return None

    def _ask(self, name: str, brief: Brief, text: str) -> Request | None:
        if self._silent:
            return None
        digest = content_hash(text)
        repeat = self._often.get(digest, 0)
        self._often[digest] = repeat + 1
        request = Request(name, (Message("user", text),), next(self._numbers), repeat)
        self._asked[request.key] = _Asked(name, brief, self._subject)
        self._log.work[name].requests += 1
        return request

    def _receive(self, told: Rewritten) -> None:
        asked = self._asked.pop(told.request.key)
        work = self._log.work[asked.operator]
        work.tokens += told.tokens or 0
        reply = told.reply
        if not isinstance(reply, Answer):
            self._failed_in_a_row += 1
            work.refused[reply.reason] += 1
            if self._failed_in_a_row == UNREACHABLE or reply.reason in (
                "authentication",
                "not_found",
            ):
                self._silent = True
                self._note(
                    f"the rewriter could not be used ({reply.reason}: {reply.detail}); the run "
                    "went on with the levels that it had"
                )
            return
        self._failed_in_a_row = 0
        texts = read_texts(reply.text)
        if not texts:
            work.refused[_why_no_text(reply)] += 1
        for text in texts:
            share = (told.tokens or 0) // len(texts)
            self._admit(asked.operator, asked.brief, text, asked.subject, tokens=share)

    def _admit(
        self, name: str, brief: Brief, text: str, subject: Candidate, *, tokens: int
    ) -> None:
        """A new text: a level, unless a guard objects."""
        work, text = self._log.work[name], unwrapped(text)
        component = self.space.space.components[brief.component]
        assert isinstance(component, Choice)
        known = texts_of(component)
        translated = name == "translate"
        if why := objection(text, brief, known, self._leaks, translated=translated):
            work.refused[why] += 1
            return
        level = f"{name}-{sum(b.operator == name for b in self.births) + 1}"
        self._grow(brief.component, component.with_level(level, text))
        longer = len(text.split()) - len(brief.text.split())
        parents = (brief.level,)
        if name == "merge" and brief.others:
            parents = (brief.level, brief.others[0][0])
        self._born(
            name, brief.component, level, parents, brief.mistakes, subject, text, longer, tokens
        )

    def _recruit(self) -> None:
        """A set of rows for the demos, of the kind whose turn it is."""
        work = self._log.work[DEMOS]
        work.barren += 1
        names = [n for n, c in self.space.space.components.items() if isinstance(c, Demos)]
        if not names:
            return
        turn = self._turn[DEMOS] = self._turn.get(DEMOS, -1) + 1
        name = names[turn % len(names)]
        kind = list(RECRUITERS)[turn // len(names) % len(RECRUITERS)]
        if (kind, name, self._subject.id) in self._recruited:
            return
        self._recruited.add((kind, name, self._subject.id))
        component = self.space.space.components[name]
        assert isinstance(component, Demos)
        cases = self._book.cases(self._subject)
        most = SETS * component.demos.count[1]
        rows = RECRUITERS[kind](cases, count=most, target=self._terms.target, rng=self._rng)
        if (
            len(rows) < max(1, component.demos.count[0])
            or rows in component.demos.recruited.values()
        ):
            work.refused["no new rows"] += 1
            return
        level = f"{kind}-{sum(b.operator == DEMOS for b in self.births) + 1}"
        self._grow(name, component.with_recruited(level, rows))
        parent = dict(self._subject.levels).get(f"{name}.select")
        wrong = [case for case in cases if not case.right]
        text = "\n".join(one.row for one in rows)
        parents = () if parent is None else (str(parent),)
        self._born(DEMOS, f"{name}.select", level, parents, wrong, self._subject, text, 0, 0)

    def _grow(self, name: str, component: Choice | Demos) -> None:
        grown = self.space.space.with_components({name: component})
        self.extend(BoundSpace(grown, self.space.train, self.space.target))

    def _born(
        self,
        operator: str,
        component: str,
        level: str,
        parents: tuple[str, ...],
        failures: Sequence[Case],
        subject: Candidate,
        text: str,
        longer: int,
        tokens: int,
    ) -> None:
        work = self._log.work[operator]
        work.levels += 1
        work.barren = 0
        ids = tuple(case.example.id for case in failures)
        birth = Birth(
            component=component,
            level=level,
            operator=operator,
            parents=parents,
            failures=ids,
            candidate=subject.id,
            text=text,
            longer=longer,
            tokens=tokens,
            at=self._used,
        )
        self._log.births.append(birth)
        self._calls[birth.component, birth.level] = 0

    def _brief(self, operator: str) -> Brief | None:
        """About the component whose turn it is; None when the subject has none to rewrite."""
        levels = dict(self._subject.levels)
        names = [name for name in self.space.space.rewritable if text_of(self.space, name, levels)]
        if not names:
            return None
        turn = self._turn[operator] = self._turn.get(operator, -1) + 1
        name = names[turn % len(names)]
        view = (self.space, self._subject, self._log.births, self._inner.standings)
        return self._briefing.brief(name, *view, self._rng)

    def _note(self, note: str) -> None:
        if note not in self._log.notes:
            self._log.notes.append(note)


def _why_no_text(reply: Answer) -> str:
    if not reply.text.strip():
        return "empty"
    if reply.finish_reason == "length":
        return "truncated"
    return "refused" if is_refusal(reply.text) else "unparsable"
