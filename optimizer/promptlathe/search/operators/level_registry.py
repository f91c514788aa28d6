"""The levels that were made: guarded, named, added to the space, and recorded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from promptlathe.records import Candidate, Standing
from promptlathe.search.operators.contexts import RELIABLE, texts_of
from promptlathe.search.operators.guards import Leaks, objection, unwrapped
from promptlathe.search.operators.lineage import LevelOrigin, Work, descendants
from promptlathe.search.operators.operator_context import Case, OperatorContext
from promptlathe.search.operators.portfolio import DEMOS
from promptlathe.search.operators.recruit import RECRUITERS
from promptlathe.space import BoundSpace, Choice, Demos, Level

PRICE = 0.2
"""Points that a new text must gain for each 100 words that it is longer than its parent."""
SETS = 3
"""A recruited set has this many times the rows of the most demos."""


class LevelRegistry:
    """Each new level goes through here."""

    def __init__(
        self,
        space: BoundSpace,
        operators: Sequence[str],
        leaks: Leaks,
        extend: Callable[[BoundSpace], None],
    ) -> None:
        """extend: told of the space whenever it has grown."""
        self.space, self._leaks, self._extend = space, leaks, extend
        self.origins: list[LevelOrigin] = []
        self.work = {name: Work() for name in operators}
        self._turn = -1
        self._recruited: set[tuple[str, str, str]] = set()
        """(kind, component, prompt) of the sets that were made or tried."""

    def put(
        self,
        name: str,
        context: OperatorContext,
        text: str,
        failures: Sequence[str],
        *,
        tokens: int,
        at: int,
    ) -> LevelOrigin | None:
        """A new text; None when a guard objects."""
        text = unwrapped(text)
        component = self.space.space.components[context.component]
        assert isinstance(component, Choice)
        why = objection(
            text, context, texts_of(component), self._leaks, translated=name == "translate"
        )
        if why:
            self.work[name].refused[why] += 1
            return None
        level = self._new_name(name, [one.name for one in component.choice])
        other = context.others[0][0] if name == "merge" and context.others else None
        parents = (context.level, other) if other else (context.level,)
        made = Level(name=level, text=text, parents=parents)
        self._grow(context.component, component.with_level(made))
        return self._born(
            LevelOrigin(
                component=context.component,
                level=level,
                operator=name,
                parents=parents,
                failures=tuple(failures),
                candidate=context.subject,
                text=text,
                longer=len(text.split()) - len(context.text.split()),
                tokens=tokens,
                at=at,
            )
        )

    def recruit(
        self,
        subject: Candidate,
        cases: Sequence[Case],
        target: str | None,
        rng: np.random.Generator,
        *,
        at: int,
    ) -> LevelOrigin | None:
        """A set of rows for demos, of the kind whose turn it is; None when it has none."""
        names = [n for n, c in self.space.space.components.items() if isinstance(c, Demos)]
        if not names:
            return None
        self._turn += 1
        name = names[self._turn % len(names)]
        kind = list(RECRUITERS)[self._turn // len(names) % len(RECRUITERS)]
        component = self.space.space.components[name]
        assert isinstance(component, Demos)
        fewest, most = component.demos.count
        tried = (kind, name, subject.id)
        if tried in self._recruited:
            return None
        self._recruited.add(tried)
        rows = RECRUITERS[kind](cases, count=SETS * most, target=target, rng=rng)
        if len(rows) < max(1, fewest) or rows in component.demos.recruited.values():
            self.work[DEMOS].refused["no new rows"] += 1
            return None
        level = self._new_name(kind, component.demos.selections)
        self._grow(name, component.with_recruited(level, rows))
        parent = dict(subject.levels).get(f"{name}.select")
        return self._born(
            LevelOrigin(
                component=f"{name}.select",
                level=level,
                operator=DEMOS,
                parents=() if parent is None else (str(parent),),
                failures=tuple(case.example.id for case in cases if not case.right),
                candidate=subject.id,
                text="\n".join(one.row for one in rows),
                longer=0,
                tokens=0,
                at=at,
            )
        )

    def gains(self, standings: Sequence[Standing]) -> Iterator[tuple[LevelOrigin, float]]:
        """Points that the best prompt would lose without each level and what was made from it.

        Longer texts must gain more.
        """
        found = [
            (standing.estimate.mean, frozenset(standing.candidate.levels))
            for standing in standings
            if standing.estimate is not None and standing.estimate.n >= RELIABLE
        ]
        best = max((mean for mean, _ in found), default=0.0)
        for origin in self.origins:
            gone = descendants(origin, self.origins)
            without = max((mean for mean, levels in found if not gone & levels), default=best)
            yield origin, max(0.0, 100 * (best - without) - PRICE * origin.longer / 100)

    def _new_name(self, stem: str, taken: Sequence[str]) -> str:
        number = 1 + sum(origin.level.startswith(f"{stem}-") for origin in self.origins)
        while f"{stem}-{number}" in taken:
            number += 1
        return f"{stem}-{number}"

    def _grow(self, name: str, component: Choice | Demos) -> None:
        grown = self.space.space.with_components({name: component})
        self.space = replace(self.space, space=grown)
        self._extend(self.space)

    def _born(self, origin: LevelOrigin) -> LevelOrigin:
        self.origins.append(origin)
        work = self.work[origin.operator]
        work.levels += 1
        work.in_vain = 0
        return origin
