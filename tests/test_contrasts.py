"""What works in the best prompt agrees with that prompt, interactions included."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from promptlathe.cli.printing import effect_lines, in_best_lines
from promptlathe.records import Answer, Cell, Example, Outcome, Value
from promptlathe.search.lathe.contrasts import Contrast, contrasts_of
from promptlathe.search.lathe.effects import effects_of
from promptlathe.search.lathe.readout import Readout
from promptlathe.search.operators.lineage import LevelOrigin, Work, lineage_of, report_of
from promptlathe.space import BoundSpace, Choice, Demos, Int, SearchSpace
from promptlathe.testing.records import outcome

EXAMPLES = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(40)]
TRAIN = [Example(f"t{i}", {"text": f"shown {i}", "label": "x"}, "train") for i in range(6)]
SPACE = SearchSpace(
    messages={"system": "{{ style }} {{ tone }} {{ extra }}", "user": "{{ demos }} {{ text }}"},
    components={
        "style": Choice({"short": "Be short.", "long": "Explain.", "json": "As JSON."}),
        "tone": Choice({"dry": "Dry.", "kind": "Kind."}),
        "extra": Choice({"a": "A.", "b": "B."}, when={"style": "long"}),
        "demos": Demos(count=(0, 3), template="{{ text }}", select=["random", "diverse"], draws=2),
    },
    constraints=[{"forbid": {"style": "json", "tone": "kind"}}],
)
BOUND = BoundSpace(SPACE, TRAIN)
Logit = Callable[[Mapping[str, Value]], float]


def told(logit: Logit, cells: int = 3000, seed: int = 0) -> tuple[list[Outcome], np.ndarray]:
    """Random candidates on rows of differing difficulty, which is given too."""
    rng = np.random.default_rng(seed)
    hard = 1.5 * rng.standard_normal(len(EXAMPLES))
    tried = list(dict.fromkeys(BOUND.candidate(SPACE.draw(rng)) for _ in range(120)))
    found: list[Outcome] = []
    for place in rng.permutation(len(tried) * len(EXAMPLES))[:cells]:
        candidate, example = tried[place // len(EXAMPLES)], place % len(EXAMPLES)
        u = logit(dict(candidate.levels)) - hard[example]
        value = float(rng.random() < 1 / (1 + np.exp(-u)))
        found.append(outcome(Cell(candidate, EXAMPLES[example]), Answer("…"), {}, value))
    return found, hard


def crossed(levels: Mapping[str, Value]) -> float:
    """Demos hurt, except in a prompt that is short: there each helps."""
    return (0.6 if levels["style"] == "short" else -0.6) * float(levels["demos.count"])


def added(levels: Mapping[str, Value]) -> float:
    """Without interactions."""
    return 0.3 * float(levels["demos.count"]) + (0.6 if levels["style"] == "short" else 0.0)


BEST: dict[str, Value] = {
    "style": "short",
    "tone": "dry",
    "demos.count": 3,
    "demos.select": "random",
    "demos.order": "drawn",
    "demos.draw": 1,
}


@pytest.fixture(scope="module")
def readout() -> Readout:
    return Readout(BOUND, told(crossed)[0])


def test_what_the_best_prompt_has_is_good_in_it_though_bad_on_average(readout: Readout) -> None:
    average = {(e.component, e.level): e for e in effects_of(readout)}
    assert average["demos.count", 3].effect < 0
    found = {(c.component, c.over): c for c in contrasts_of(readout, BEST)}
    taken_away = found["demos.count", 0]
    assert taken_away.level == 3
    assert taken_away.low > 5
    assert not found["tone", "kind"].clear
    head, line, *_ = in_best_lines(list(found.values()), "best")
    assert "best prompt, all else kept" in head
    assert line.split()[:3] in (["demos.count:", "3", "over"], ["style:", "short", "over"])
    assert effect_lines(effects_of(readout))[0].startswith("On average")


def test_only_what_can_be_is_compared(readout: Readout) -> None:
    """Other levels of what the best prompt has; nothing that a constraint forbids."""
    short = {(c.component, c.level, c.over) for c in contrasts_of(readout, BEST)}
    assert short == {
        ("style", "short", "long"),  # whatever `extra` is then
        ("style", "short", "json"),
        ("tone", "dry", "kind"),
        *(("demos.count", 3, k) for k in (0, 1, 2)),
        ("demos.select", "random", "diverse"),
    }
    json = {**BEST, "style": "json", "demos.count": 0}
    bare = {name: json[name] for name in ("style", "tone", "demos.count")}
    found = {(c.component, c.over) for c in contrasts_of(readout, bare)}
    assert ("tone", "kind") not in found
    assert ("demos.count", 3) in found  # whichever rows are drawn then
    assert not contrasts_of(Readout(BOUND, []), BEST)


def test_intervals_cover_what_is_true_of_the_rows_that_were_scored() -> None:
    inside: list[bool] = []
    for seed in range(10):
        outcomes, hard = told(added, 1500, seed)

        def score(levels: Mapping[str, Value], hard: np.ndarray = hard) -> float:
            return float(100 * np.mean(1 / (1 + np.exp(hard - added(levels)))))

        for one in contrasts_of(Readout(BOUND, outcomes), BEST):
            true = score(BEST) - score({**BEST, one.component: one.over})
            inside.append(one.low <= true <= one.high)
    assert len(inside) == 70
    assert np.mean(inside) > 0.88


def test_the_same_answers_in_any_order_give_the_same(readout: Readout) -> None:
    again = Readout(BOUND, told(crossed)[0][::-1])
    assert contrasts_of(again, BEST) == contrasts_of(readout, BEST)


def test_a_number_with_many_values_is_compared_with_three() -> None:
    space = SearchSpace(messages="{{ n }} {{ text }}", components={"n": Int(0, 40)})
    bound = BoundSpace(space, [])
    cells = [Cell(bound.candidate({"n": n}), EXAMPLES[0]) for n in (0, 7, 40)]
    readout = Readout(bound, [outcome(cell, Answer("…"), {}, 1.0) for cell in cells])
    assert [one.over for one in contrasts_of(readout, {"n": 7})] == [0, 20, 40]
    assert [one.over for one in contrasts_of(readout, {"n": 40})] == [0, 20]


def test_the_terminal_shows_one_line_of_a_component() -> None:
    def contrast(component: str, over: Value, effect: float) -> Contrast:
        return Contrast(component, "x", over, effect, effect - 1, effect + 1, 9)

    found = [contrast("n", k, float(k)) for k in range(6)] + [contrast("tone", "dry", -9.0)]
    head, *lines = in_best_lines(found, "seed")
    assert "the best prompt of the search" in head  # another one stands above it
    assert [line.split()[:4] for line in lines] == [
        ["tone:", "x", "over", "dry"],
        ["n:", "x", "over", "5"],
    ]
    assert in_best_lines([contrast("n", 1, 0.5)], "best") == []


def origin(component: str, level: str, *parents: str) -> LevelOrigin:
    return LevelOrigin(component, level, "maker", parents, (), "", "", 0, 0, 0)


def test_a_gain_agrees_with_the_best_prompt(readout: Readout) -> None:
    """Of a level there, over what it replaced: a parent, or no demos at all."""
    best = BOUND.candidate(BEST)
    origins = [
        origin("demos.select", "random"),
        origin("style", "short", "long"),
        origin("style", "json", "short"),
        origin("extra", "b", "a"),
        origin("style", "never"),
    ]
    effects = effects_of(readout)
    demos, short, json, extra, never = lineage = lineage_of(origins, readout, effects, best)
    contrasts = {(c.component, c.over): c for c in contrasts_of(readout, BEST)}
    assert demos.over == "demos.count = 0"
    assert demos.gain == pytest.approx(contrasts["demos.count", 0].effect)
    assert demos.gain_on_average is None
    assert short.gain == pytest.approx(contrasts["style", "long"].effect)
    assert (short.gain_low or 0) > 0
    assert json.gain == pytest.approx(-contrasts["style", "json"].effect)
    assert extra.gain is None  # it has no place in the best prompt
    assert extra.gain_on_average is not None
    assert never.gain is None
    assert [one.kept for one in lineage] == [True, True, False, False, False]
    report = report_of("maker", Work(levels=5), lineage)
    assert report.kept == 2
    assert report.gain == max(demos.gain or 0, short.gain or 0)
