"""Effects: what was planted is found, with intervals that hold, from any policy's outcomes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import promptlathe as pl
from promptlathe.cli.printing import effect_lines
from promptlathe.records import Answer, Cell, Example, Failure, Outcome, Value
from promptlathe.search import PolicyName, make_policy
from promptlathe.search.lathe.effects import Effect, effects_of
from promptlathe.search.lathe.readout import Readout
from promptlathe.space import BoundSpace, Choice, Demos, Int, SearchSpace
from promptlathe.testing.records import outcome

EXAMPLES = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(40)]
TRAIN = [Example(f"t{i}", {"text": f"shown {i}", "label": "x"}, "train") for i in range(6)]
SPACE = SearchSpace(
    messages={"system": "{{ style }} {{ tone }} {{ extra }} {{ words }}", "user": "{{ text }}"},
    components={
        "style": Choice({"short": "Be short.", "long": "Explain.", "json": "As JSON."}),
        "tone": Choice({"dry": "Dry.", "kind": "Kind.", "none": None}),
        "extra": Choice({"a": "A.", "b": "B."}, when={"style": "long"}),
        "words": Int(0, 40),
    },
    constraints=[{"forbid": {"style": "json", "tone": "kind"}}],
)
BOUND = BoundSpace(SPACE, TRAIN)
STYLE = {"short": -0.8, "long": 0.1, "json": 0.7}


def logit(levels: dict[str, Value], pair: float = 0.0) -> float:
    """Style and words matter, tone and extra do not; `pair` is an interaction."""
    both = levels["style"] == "short" and levels["tone"] == "dry"
    return STYLE[str(levels["style"])] + float(levels["words"]) / 40 + pair * both


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@dataclass
class World:
    """Random candidates on random examples of differing difficulty."""

    seed: int
    pair: float = 0.0
    candidates: int = 60
    cells: int = 1500
    scale: float = 1.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.difficulty = 1.5 * rng.standard_normal(len(EXAMPLES))
        drawn = [BOUND.candidate(SPACE.draw(rng)) for _ in range(self.candidates)]
        self.tried = list(dict.fromkeys(drawn))
        self.rng = rng

    def outcomes(self) -> list[Outcome]:
        rng, told = self.rng, []
        places = rng.permutation(len(self.tried) * len(EXAMPLES))[: self.cells]
        for candidate, place in (divmod(int(one), len(EXAMPLES)) for one in places):
            u = logit(dict(self.tried[candidate].levels), self.pair)
            value = float(rng.random() < logistic(u - self.difficulty[place])) * self.scale
            cell = Cell(self.tried[candidate], EXAMPLES[place])
            told.append(outcome(cell, Answer("…"), {"score": value}, value))
        return told

    def truth(self, effects: dict[Value, float]) -> dict[Value, float]:
        """Points, for a component's additive effects on the logit."""
        u0 = float(np.mean([logit(dict(one.levels)) for one in self.tried]))
        mean = float(np.mean(list(effects.values())))
        q = {
            level: 100 * float(logistic(u0 + x - mean - self.difficulty).mean())
            for level, x in effects.items()
        }
        return {level: one - float(np.mean(list(q.values()))) for level, one in q.items()}


def found_in(space: BoundSpace, told: Sequence[Outcome]) -> tuple[Effect, ...]:
    return effects_of(Readout(space, told))


def of(effects: tuple[Effect, ...], component: str) -> dict[Value, Effect]:
    return {effect.level: effect for effect in effects if effect.component == component}


@pytest.fixture(scope="module")
def found() -> list[tuple[World, tuple[Effect, ...]]]:
    worlds = [World(seed) for seed in range(12)]
    return [(world, found_in(BOUND, world.outcomes())) for world in worlds]


def test_planted_effects_have_their_sign_and_order(
    found: list[tuple[World, tuple[Effect, ...]]],
) -> None:
    for _, effects in found:
        style, words = of(effects, "style"), of(effects, "words")
        assert style["short"].effect < style["long"].effect < style["json"].effect
        assert style["short"].high < 0 < style["json"].low
        assert list(words) == [0, 20, 40]
        assert words[0].effect < 0 < words[40].effect


def test_intervals_cover_the_truth(found: list[tuple[World, tuple[Effect, ...]]]) -> None:
    inside: list[bool] = []
    for world, effects in found:
        words = {level: level / 40 for level in np.linspace(0, 40, 13).round()}
        for component, planted in (
            ("style", STYLE),
            ("tone", dict.fromkeys(("dry", "kind", "none"), 0.0)),
            ("extra", {"a": 0.0, "b": 0.0}),
            ("words", words),
        ):
            truth = world.truth(planted)
            for level, effect in of(effects, component).items():
                inside.append(effect.low <= truth[level] <= effect.high)
    assert len(inside) == 12 * 11
    assert np.mean(inside) > 0.9


def test_an_inert_component_is_not_said_to_matter(
    found: list[tuple[World, tuple[Effect, ...]]],
) -> None:
    inert = [e for _, effects in found for e in effects if e.component in ("tone", "extra")]
    assert len(inert) == 12 * 5
    assert sum(effect.clear for effect in inert) <= 3
    assert max(abs(effect.effect) for effect in inert) < 5


def test_a_planted_interaction_is_the_strongest() -> None:
    effects = found_in(BOUND, World(3, pair=2.0, candidates=120, cells=3000).outcomes())
    pairs = [effect for effect in effects if " × " in effect.component]
    assert (pairs[0].component, pairs[0].level) == ("style × tone", "short × dry")
    assert pairs[0].low > 0
    assert 0 < len(pairs) <= 10


def test_without_evidence_effects_are_zero() -> None:
    cell = Cell(BOUND.seed, EXAMPLES[0])
    assert found_in(BOUND, []) == ()
    assert found_in(BOUND, [outcome(cell, Failure("timeout", "no answer"))]) == ()
    effects = found_in(BOUND, [outcome(cell, Answer("…"), {"score": 1.0}, 1.0)])
    levels = [effect for effect in effects if " × " not in effect.component]
    assert len(levels) == 3 + 3 + 2 + 3
    assert max(abs(effect.effect) for effect in levels) < 2
    assert not any(effect.clear for effect in effects)
    equal = [outcome(Cell(c, e), Answer("…"), {}, 1.0) for c in World(0).tried for e in EXAMPLES]
    assert max(abs(effect.effect) for effect in found_in(BOUND, equal)) < 0.5


def test_effects_are_the_same_in_any_order_of_the_answers() -> None:
    told = World(1).outcomes()
    first = found_in(BOUND, told)
    random.Random(0).shuffle(told)
    assert found_in(BOUND, told) == first


def test_calls_are_counted_by_level() -> None:
    told = World(1).outcomes()
    effects = found_in(BOUND, told)
    for component in ("style", "tone", "words"):
        assert sum(effect.calls for effect in of(effects, component).values()) == len(told)
    low = [o for o in told if int(str(dict(o.cell.candidate.levels)["words"])) < 10]
    assert of(effects, "words")[0].calls == pytest.approx(len(low), abs=len(told) / 20)
    long = [o for o in told if dict(o.cell.candidate.levels)["style"] == "long"]
    assert sum(effect.calls for effect in of(effects, "extra").values()) == len(long)


def test_points_follow_the_scale_of_the_scores() -> None:
    ones, tens = (found_in(BOUND, World(2, scale=s).outcomes()) for s in (1.0, 10.0))
    assert [10 * e.effect for e in ones] == pytest.approx([e.effect for e in tens], abs=1e-6)


def test_the_command_line_shows_what_is_clear_the_strongest_first() -> None:
    unclear = Effect("tone", "dry", 9.0, -1.0, 19.0, 50)
    weak, strong = (Effect("n", n, n, n - 1.0, n + 1.0, 50) for n in (2, -12))
    assert effect_lines([unclear]) == []
    head, *lines = effect_lines([unclear, weak, strong])
    assert "95 % interval" in head
    assert lines == ["  n = -12  -12.0  -13.0 to -11.0", "  n = 2     +2.0    +1.0 to +3.0"]
    assert len(effect_lines([strong] * 50)) == 1 + 8


def test_a_result_has_them_as_a_data_frame(tmp_path: Path) -> None:
    rows = [{"text": f"No. {i}: {w}", "label": w} for i, w in enumerate(["bill", "box"] * 30)]
    result = pl.optimize(
        SPACE,
        pl.Objective(rows, scorer=pl.exact_match("label")),
        budget=pl.Budget(calls=120),
        track=False,
        workspace=tmp_path,
    )
    frame = result.effects
    assert list(frame.columns) == ["component", "level", "effect", "low", "high", "calls"]
    assert set(frame["component"]) >= {"style", "tone", "words"}
    assert ((frame["low"] <= frame["effect"]) & (frame["effect"] <= frame["high"])).all()
    assert result.to_dict()["effects"] == frame.to_dict("records")


DEMOS = BoundSpace(
    SearchSpace(
        messages="{{ demos }} {{ text }}",
        components={"demos": Demos(count=(0, 3), template="{{ text }}", draws=8)},
    ),
    TRAIN,
)


@pytest.mark.parametrize("policy", ["random", "halving", "lathe"])
def test_demos_by_number_and_by_row_whatever_the_policy(policy: PolicyName) -> None:
    """Each demo helps, and the row t4 much more."""
    rng = random.Random(0)
    search = make_policy(policy, DEMOS, EXAMPLES, seed=0, calls=900)
    told: list[Outcome] = []
    while len(told) < 900 and (cells := search.propose((), 1)):
        (cell,) = cells
        shown = DEMOS.shown("demos", dict(cell.candidate.levels)) or ()
        chance = 0.2 + 0.1 * len(shown) + 0.3 * ("t4" in shown)
        value = float(rng.random() < chance)
        told.append(outcome(cell, Answer("…"), {}, value))
        search.tell(told[-1])
    effects = found_in(DEMOS, told)
    count = of(effects, "demos.count")
    assert list(count) == [0, 1, 2, 3]
    assert count[0].effect < 0 < count[3].effect
    rows = [effect for effect in effects if effect.component == "demos (rows)"]
    assert rows[0].level == "shown 4 [t4]"
    assert rows[0].effect > 0
