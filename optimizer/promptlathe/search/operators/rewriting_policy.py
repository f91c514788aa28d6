"""The rewriting policy: a policy around a policy, which makes new levels while the other searches.

    policy's best ─→ tried on rows of `train` ─→ an operator, by the bandit ─→ request ─→ texts
                                                                                            │
    policy.extend(space) ←──────── one more level ←──────── guards ←────────────────────────┘

Rows of `train` are cells like any other and take slots; requests go to the rewriter, take none,
and nothing waits for them: the policy inside goes on proposing its cells. The rewrite budget
(rewrite_budget.py) says what may be spent, and when; the level registry (level_registry.py) takes
what was made. An operator whose tries give nothing new rests until another prompt is the best.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from promptlathe.errors import InputError
from promptlathe.records import (
    Answer,
    Cell,
    Dropped,
    Event,
    Failure,
    Key,
    Message,
    Rewrite,
    Rewritten,
    Standing,
    Unit,
    content_hash,
)
from promptlathe.scoring import Contract
from promptlathe.search.operators.bandit import choose
from promptlathe.search.operators.contexts import Contexts, answers_of, text_of
from promptlathe.search.operators.guards import Leaks
from promptlathe.search.operators.level_registry import LevelRegistry
from promptlathe.search.operators.lineage import (
    LevelLineage,
    LevelOrigin,
    OperatorReport,
    report_of,
)
from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.portfolio import (
    DEMOS,
    FROM_DATA,
    Portfolio,
    is_refusal,
    read_texts,
)
from promptlathe.search.operators.reflection import ReflectionExamples
from promptlathe.search.operators.rewrite_budget import RewriteBudget
from promptlathe.search.policy import Policy
from promptlathe.space import BoundSpace

ASKED = 3
"""Requests under way at most."""
MOST_TEXTS = 4
"""Of one answer."""
EXHAUSTED = 3
"""Tries in a row without a level after which an operator rests."""
UNREACHABLE = 3
"""Failed requests in a row after which the rewriter is not asked again."""
FIRST = (*FROM_DATA, "format")
"""Operators that have a try at each prompt before the bandit chooses."""
SETTLED = 100
"""Calls for which a prompt is written about at least."""


@dataclass(frozen=True)
class RewritingTerms:
    """What the rewriting policy must know of a job."""

    limits: Mapping[str, float]
    """Of the search: `calls`, `tokens` and `usd`, those that are limited."""
    share: float
    seed: int
    target: str | None
    """The row's field with the right answer."""
    contract: Contract
    """How outputs are read."""
    bounds: tuple[float, float] | None = (0.0, 1.0)
    """(worst, best) value of the goal; None when it is not known."""
    step_targets: Mapping[str, str | None] | None = None
    """Of a chain that runs step by step, the field with what each step should answer, where one is
    known."""


@dataclass(frozen=True)
class _Asked:
    """A request under way."""

    operator: str
    context: OperatorContext
    failures: tuple[str, ...]
    """Ids of the mistakes that it shows."""

    @property
    def about(self) -> tuple[str, str, str, str]:
        """(operator, component, level, prompt); no prompt, when its mistakes are not shown."""
        prompt = self.context.subject if self.failures else ""
        return self.operator, self.context.component, self.context.level, prompt


class RewritingPolicy:
    """A `Policy`; see the module's text."""

    def __init__(
        self,
        inner: Policy,
        space: BoundSpace,
        portfolio: Portfolio,
        terms: RewritingTerms,
        leaks: Leaks,
    ) -> None:
        self._inner, self._portfolio, self._terms = inner, portfolio, terms
        self._rng = np.random.default_rng([terms.seed, 4])
        self._names = [*portfolio.operators, *([DEMOS] if portfolio.demos else [])]
        self._budget = RewriteBudget(terms.limits, terms.share)
        self._registry = LevelRegistry(space, self._names, leaks, inner.extend)
        answers = answers_of(space.train, terms.target)
        self._reflection = ReflectionExamples(
            space.train,
            terms.target,
            len(answers),
            allowance=self._budget.allowance,
            seed=terms.seed,
            bounds=terms.bounds,
        )
        self._contexts = Contexts(
            space,
            portfolio.requests,
            answers,
            self._reflection,
            target=terms.target,
            contract=terms.contract,
            step_targets=terms.step_targets,
        )
        self._subject = space.seed
        """The prompt that is written about."""
        self._settled_until = 0
        self._asked: dict[Key, _Asked] = {}
        self._often: dict[str, int] = {}
        """How often the same content was asked."""
        self._numbers = count()
        self._turn = {name: i for i, name in enumerate(self._names)}
        """Which component comes next, by operator; each begins at another."""
        self._exhausted: set[tuple[str, str, str, str]] = set()
        """What requests were about that gave nothing new."""
        self._firsts = Counter[tuple[str, str]]()
        """First tries, by prompt and operator."""
        self._failed = 0
        """Requests in a row."""
        self._refused = False
        """A unit of its own was not affordable, and nothing came back since."""
        self._notes: list[str] = []

    # The seam

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Unit]:
        """Cells of `train` first, then what the policy inside wants, then requests.

        What was not affordable may be so when something has come back, and is not asked before.
        """
        if self._refused:
            return self._inner.propose(_of_search(pending), limit)
        cells = [cell for _, cell in zip(range(limit), self._reading(), strict=False)]
        requests = list(self._requests())  # what they make at once may be proposed at once
        if len(cells) < limit:
            cells += self._inner.propose(_of_search(pending), limit - len(cells))
        return [*cells, *requests]

    def tell(self, event: Event) -> list[Standing]:
        own = isinstance(event.unit, Rewrite) or event.unit.example.split == "train"
        if isinstance(event, Dropped):
            if not own:
                return self._inner.tell(event)
            self._forget(event.unit)
            return []
        self._refused = False
        self._budget.tell(event, own=own)
        if isinstance(event, Rewritten):
            self._receive(event)
            return []
        if own:
            self._reflection.take(event)
            return []
        self._budget.tried(event.cell.candidate.levels, event.tokens)
        return self._inner.tell(event)

    def extend(self, space: BoundSpace) -> None:
        self._registry.space = space
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
    def space(self) -> BoundSpace:
        """With all levels so far."""
        return self._registry.space

    @property
    def origins(self) -> Sequence[LevelOrigin]:
        """The levels that were made, in order."""
        return self._registry.origins

    @property
    def notes(self) -> Sequence[str]:
        """What went wrong, each once."""
        return self._notes

    def reports(self, lineage: Sequence[LevelLineage]) -> Sequence[OperatorReport]:
        """What each operator did, given what became of its levels."""
        return [report_of(name, work, lineage) for name, work in self._registry.work.items()]

    # What is paid for

    def _affords(self, calls: int) -> bool:
        return self._budget.affords(calls, over=self._inner.finish_reason is not None)

    def _reading(self) -> Iterator[Cell]:
        """The rows of `train` that the subject has not met."""
        if self._reflection.missing(self._subject) and self._affords(1):
            for cell in self._reflection.unread(self._subject):
                self._budget.spend()
                yield cell

    def _requests(self) -> Iterator[Rewrite]:
        while len(self._asked) < ASKED and self._budget.has_room(len(self._asked)):
            settled = self._choose_subject() and self._reflection.is_read(self._subject)
            ready = [name for name in self._names if self._registry.work[name].in_vain < EXHAUSTED]
            if not (ready and settled and self._affords(1)):
                return
            name = self._next(ready)
            self._registry.work[name].in_vain += 1
            if name == DEMOS:
                self._recruit()
            elif (request := self._write(name)) is not None:
                self._budget.spend()
                yield request

    def _choose_subject(self) -> bool:
        """What is the best now is written about, once its rows can be read; False until then."""
        best = self._inner.best.candidate
        if best == self._subject or self._budget.used < self._settled_until:
            return True
        if not self._affords(self._reflection.missing(best)):
            return self._inner.finish_reason is not None
        self._subject, self._settled_until = best, self._budget.used + SETTLED
        for work in self._registry.work.values():
            work.in_vain = 0
        return True

    # Operators

    def _next(self, ready: Sequence[str]) -> str:
        """What needs no request has one try first, outputs that cannot be read before all else:
        little else can be seen before."""
        for name in ready:
            tried = self._firsts[self._subject.id, name]
            # Once for each component, since they take turns; a request is too dear for that.
            if name in FIRST and tried < (
                1 if name == "format" else len(self._registry.space.space.rewritable)
            ):
                self._firsts[self._subject.id, name] += 1
                return name
        gained = dict.fromkeys(ready, 0.0)
        for origin, gain in self._registry.gains(self._inner.standings):
            if origin.operator in gained:
                gained[origin.operator] += gain
        work, trial = self._registry.work, self._budget.trial_tokens
        spent = {name: work[name].tokens + trial * work[name].levels for name in ready}
        return choose(gained, spent, self._rng)

    def _recruit(self) -> None:
        cases = self._reflection.cases(self._subject)
        origin = self._registry.recruit(
            self._subject, cases, self._terms.target, self._rng, at=self._budget.used
        )
        if origin:
            self._budget.open(origin.component, origin.level)
            self._budget.spend()

    def _write(self, name: str) -> Rewrite | None:
        """Ask an operator for a text of the component whose turn it is."""
        context = self._context(name)
        if context is None:
            return None
        try:
            made = self._portfolio.operators[name](context)
        except InputError as error:
            self._notes.append(f"the operator {name} is not used any more: {error.what}")
            self._names.remove(name)
            return None
        if isinstance(made, str):
            return self._ask(name, context, made)
        for text in made or ():
            shown = [case.example.id for case in context.mistakes]
            if self._put(name, context, text, shown, tokens=0):
                self._budget.spend()
        return None

    def _context(self, operator: str) -> OperatorContext | None:
        """About the component whose turn it is; None when the subject has none to rewrite."""
        levels, space = dict(self._subject.levels), self._registry.space
        names = [name for name in space.space.rewritable if text_of(space, name, levels)]
        names = [
            name for name in names if not self._is_exhausted(operator, name, str(levels[name]))
        ]
        if not names:
            return None
        turn = self._turn[operator]
        self._turn[operator] += 1
        view = (space, self._subject, self._registry.origins, self._inner.standings)
        return self._contexts.context(names[turn % len(names)], *view, self._rng)

    def _is_exhausted(self, operator: str, component: str, level: str) -> bool:
        """The operator gave nothing new for this text, and knows nothing new about it."""
        tried = (operator, component, level)
        return not self._exhausted.isdisjoint({(*tried, ""), (*tried, self._subject.id)})

    def _ask(self, name: str, context: OperatorContext, text: str) -> Rewrite | None:
        if self._failed >= UNREACHABLE:
            return None
        digest = content_hash(text)
        repeat = self._often[digest] = self._often.get(digest, -1) + 1
        request = Rewrite(name, (Message("user", text),), next(self._numbers), repeat)
        asked = self._asked[request.key] = _Asked(name, context, context.shown_in(text))
        if not asked.failures:
            self._exhausted.add(asked.about)  # until its answer says else
        self._registry.work[name].requests += 1
        return request

    def _receive(self, told: Rewritten) -> None:
        asked = self._asked.pop(told.rewrite.key)
        self._exhausted.discard(asked.about)
        work, tokens = self._registry.work[asked.operator], told.tokens or 0
        work.tokens += tokens
        if isinstance(told.reply, Failure):
            work.refused[told.reply.reason] += 1
            self._give_up(told.reply)
            return
        self._failed = 0
        texts = read_texts(told.reply.text)[:MOST_TEXTS]
        if not texts:
            work.refused[_why_no_text(told.reply)] += 1
        context, share = asked.context, tokens // max(len(texts), 1)
        made = [
            self._put(asked.operator, context, one, asked.failures, tokens=share) for one in texts
        ]
        if not any(made):
            self._exhausted.add(asked.about)

    def _forget(self, unit: Unit) -> None:
        """It is as if it had not been asked for."""
        self._refused = True
        self._budget.put_back()
        if isinstance(unit, Cell):
            self._reflection.forget(unit)
            return
        asked = self._asked.pop(unit.key)
        self._exhausted.discard(asked.about)
        self._often[content_hash(unit.messages[0].text)] -= 1
        self._turn[asked.operator] -= 1
        first = asked.context.subject, asked.operator
        self._firsts[first] = max(0, self._firsts[first] - 1)
        work = self._registry.work[asked.operator]
        work.requests -= 1
        work.in_vain = max(0, work.in_vain - 1)

    def _give_up(self, failure: Failure) -> None:
        """After some failures in a row, or a hopeless one, the rewriter is not asked again."""
        before, self._failed = self._failed, self._failed + 1
        if failure.reason in ("authentication", "quota", "not_found"):
            self._failed = max(self._failed, UNREACHABLE)
        if before < UNREACHABLE <= self._failed:
            self._notes.append(
                f"the rewriter could not be used ({failure.reason}: {failure.detail}); the run "
                "went on with the levels that it had"
            )

    def _put(
        self,
        name: str,
        context: OperatorContext,
        text: str,
        failures: Sequence[str],
        *,
        tokens: int,
    ) -> LevelOrigin | None:
        at = self._budget.used
        origin = self._registry.put(name, context, text, failures, tokens=tokens, at=at)
        if origin:
            self._budget.open(origin.component, origin.level)
        return origin


def _of_search(pending: Collection[Cell]) -> list[Cell]:
    return [cell for cell in pending if cell.example.split != "train"]


def _why_no_text(reply: Answer) -> str:
    if not reply.text.strip():
        return "empty"
    if reply.finish_reason == "length":
        return "truncated"
    return "refused" if is_refusal(reply.text) else "unparsable"
