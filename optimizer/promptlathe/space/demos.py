"""Which rows become demos, and how they are written.

Rows are ordered by a hash of the draw and the row, so that a draw with four demos contains the
draw with three, and a new row in the data moves few others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from promptlathe.errors import InputError
from promptlathe.records import Example, Message, Value, content_hash
from promptlathe.space.components import NEAREST, DemosSpec, Recruited
from promptlathe.space.similarity import Vectors, farthest_first, text_vectors
from promptlathe.space.template import fill_declared, is_inert, placeholders, render_declared

MOST_COMPARED = 512
"""Rows among which `diverse` looks for those that are far apart."""


@dataclass(frozen=True)
class Pool:
    """The rows that a component of demos may show: of `train` only, and none that an engine
    would change. Raises InputError for a recruited row that is not in `train`.
    """

    spec: DemosSpec
    train: Sequence[Example]
    target: str | None

    def __post_init__(self) -> None:
        known = {example.id for example in self.train}
        for name, recruits in self.spec.recruited.items():
            if lost := next((one.row for one in recruits if one.row not in known), None):
                raise InputError(
                    f"the recruited set {name!r} has the row {lost!r}, which is not in `train`",
                    f"recruited.{name}",
                    "remove it: demos come from `train` only",
                )
            if self.target is None and any(one.answer is not None for one in recruits):
                raise InputError(
                    f"the recruited set {name!r} has answers, and there is no target",
                    f"recruited.{name}",
                    "leave the answers out, or name the objective's target",
                )

    def ranked(self, select: Value, draw: Value) -> Sequence[Example]:
        """All rows of a selection in the order in which they are shown; sorted once."""
        if (select, draw) not in self._rankings:
            self._rankings[select, draw] = self._sorted(str(select), draw)
        return self._rankings[select, draw]

    def answers(self, select: Value) -> Mapping[str, str]:
        """What stands in the target's place, by row, where that is not the target itself."""
        recruits = self.spec.recruited.get(str(select), ())
        return {one.row: one.answer for one in recruits if one.answer is not None}

    def showable(self) -> set[str]:
        """Ids of all rows that may ever be shown."""
        return {
            row.id
            for select in self.spec.selections
            if select != NEAREST
            for draw in range(self.spec.draws)
            for row in self.ranked(select, draw)[: self.spec.count[1]]
        }

    def _sorted(self, select: str, draw: Value) -> Sequence[Example]:
        rows = self._recruited.get(select, self._usable)
        shuffled = sorted(rows, key=lambda example: content_hash([draw, example.id]))
        if select == "diverse":
            return self._spread(shuffled)
        if self.target is not None and (select == "balanced" or select in self._recruited):
            return _in_turn(shuffled, self.target)
        return shuffled

    def _spread(self, shuffled: Sequence[Example]) -> Sequence[Example]:
        """First those that differ most among a random half of the rows, so that draws differ."""
        if not shuffled:
            return shuffled
        place, vectors = self._vectors
        compared = [example for example in shuffled if example.id in place]
        most = self.spec.count[1]
        compared = compared[: max(most, (len(compared) + 1) // 2)]
        half = vectors[[place[example.id] for example in compared]]
        first = {compared[i].id: compared[i] for i in farthest_first(half, start=0, count=most)}
        return [*first.values(), *(e for e in shuffled if e.id not in first)]

    @cached_property
    def _vectors(self) -> tuple[dict[str, int], Vectors]:
        """The rows that `diverse` compares, each with its place in their vectors."""
        some = sorted(self._usable, key=lambda example: content_hash(example.id))
        some = some[: max(MOST_COMPARED, self.spec.count[1])]
        names = names_of(self.spec)
        texts = tuple("\n".join(str(e.row.get(name, "")) for name in names) for e in some)
        return {e.id: i for i, e in enumerate(some)}, _vectors_of(texts)

    @cached_property
    def _usable(self) -> list[Example]:
        return usable(self.spec, self.train)

    @cached_property
    def _recruited(self) -> dict[str, list[Example]]:
        by_id = {example.id: example for example in self._usable}
        return {
            name: [by_id[one.row] for one in recruits if one.row in by_id and _is_inert(one)]
            for name, recruits in self.spec.recruited.items()
        }

    @cached_property
    def _rankings(self) -> dict[tuple[Value, Value], Sequence[Example]]:
        return {}


@lru_cache(maxsize=4)
def _vectors_of(texts: tuple[str, ...]) -> Vectors:
    """Kept, for a space that grows during a run is bound anew each time."""
    return text_vectors(texts)


def write_demos(
    spec: DemosSpec,
    rows: Sequence[Example],
    *,
    order: Value,
    target: str | None,
    answers: Mapping[str, str],
) -> str | tuple[Message, ...]:
    """The demos' section of a prompt, or their turns; `answers` (by row id) stand in the target's
    place."""
    written = [(_written(spec, one, target, answers.get(one.id)), one) for one in rows]
    if order == "short_first":
        written.sort(key=lambda one: sum(len(message.text) for message in one[0]))
    elif order == "by_label" and target is not None:
        written.sort(key=lambda one: str(one[1].row[target]))
    if isinstance(spec.template, str):
        return spec.separator.join(turn.text.strip("\n") for (turn,), _ in written)
    return tuple(turn for turns, _ in written for turn in turns)


def _written(
    spec: DemosSpec, example: Example, target: str | None, answer: str | None
) -> tuple[Message, ...]:
    """One demo; that of a text template is one message."""
    instead = {} if target is None or answer is None else {target: answer}
    row = {**example.row, **instead}
    if isinstance(spec.template, str):
        return (Message("user", fill_declared(spec.template, row)),)
    return render_declared(spec.template, row)


def names_of(spec: DemosSpec) -> tuple[str, ...]:
    """The fields that a demo shows."""
    return tuple(dict.fromkeys(name for text in spec.texts for name in placeholders(text)))


def usable(spec: DemosSpec, train: Sequence[Example]) -> list[Example]:
    """Rows that may be baked into a prompt: none that a template engine would change."""
    names = names_of(spec)
    return [e for e in train if all(is_inert(str(e.row.get(name, ""))) for name in names)]


def _is_inert(recruit: Recruited) -> bool:
    return recruit.answer is None or is_inert(recruit.answer)


def _in_turn(examples: Sequence[Example], target: str) -> list[Example]:
    """One of each label, then a second of each: labels in order of their first row."""
    of_label: dict[object, list[Example]] = {}
    for example in examples:
        of_label.setdefault(str(example.row[target]), []).append(example)
    ranked = [(turn, e) for rows in of_label.values() for turn, e in enumerate(rows)]
    return [example for _, example in sorted(ranked, key=lambda one: one[0])]
