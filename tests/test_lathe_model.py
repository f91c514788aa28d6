"""The model of outcomes behind the policy `lathe`, its features, its table, and what it is for."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.records import Answer, Cell, Example
from promptlathe.scoring import Limit
from promptlathe.search.lathe import LathePolicy, Settings
from promptlathe.search.lathe.features import Axis, Category, Encoder, Number, Rows, Texts
from promptlathe.search.lathe.likelihood import GRID
from promptlathe.search.lathe.link import Array, logistic
from promptlathe.search.lathe.model import (
    DIFFICULTY,
    MU_VARIANCE,
    NO_DIFFICULTY,
    STEPS,
    Data,
    Fit,
    Group,
    Priors,
    _newton,  # pyright: ignore[reportPrivateUsage]  # the starting point is under test
    answers,
    fit,
)
from promptlathe.search.lathe.policy import PROBES
from promptlathe.search.lathe.table import SILENT, Table
from promptlathe.space import BoundSpace, Choice, SearchSpace
from promptlathe.testing.records import outcome

EFFECTS = np.array([-1.5, -0.5, 0.5, 1.5])
AXES = (Category("tone", "abcd"), Category("form", "xyz"))
ENCODER = Encoder(AXES)
seeds = st.integers(0, 10_000)
quick = settings(max_examples=20, deadline=None)


def data_of(
    seed: int,
    *,
    n: int = 6,
    m: int = 9,
    known: float = 0.5,
    credits: int = 1,
    difficulty: bool = True,
) -> Data:
    """Random candidates; only the tone has effects; each cell is known with this probability."""
    rng = np.random.default_rng(seed)
    tones, forms = rng.integers(4, size=n), rng.integers(3, size=n)
    phi = ENCODER.encode([("abcd"[t], "xyz"[f]) for t, f in zip(tones, forms, strict=True)])
    logit = EFFECTS[tones][:, None] - 1.5 * rng.standard_normal(m)
    y = rng.binomial(credits, logistic(logit)) / credits
    y[rng.random((n, m)) >= known] = np.nan
    return Data(ENCODER.groups, phi, y, np.ones((n, m)), difficulty)


def priors(data: Data) -> Priors:
    difficulty = DIFFICULTY if data.difficulty else NO_DIFFICULTY
    return Priors(tuple(group.prior for group in data.groups), difficulty)


def from_start(data: Data, a: Array) -> Fit:
    return _newton(data, priors(data), a, np.zeros(len(data.y)))


def mean(found: Fit) -> Array:
    """(m,) of the difficulties."""
    return found.difficulty @ GRID


def variance(found: Fit) -> Array:
    return found.difficulty @ GRID**2 - mean(found) ** 2


def density(found: Fit) -> float:
    """Log posterior density of u, up to a constant."""
    likelihood = answers(found.data, found.priors).difficulty(found.u, found.offset)[1]
    return likelihood - 0.5 * float(found.a @ found.u)


def settled(data: Data) -> Fit:
    """After the refits that a search has."""
    found = fit(data)
    for _ in range(8):
        found = fit(data, found)
    return found


# The posterior


@quick
@given(seed=seeds)
def test_the_order_of_candidates_and_examples_does_not_matter(seed: int) -> None:
    data = data_of(seed)
    rng = np.random.default_rng(seed + 1)
    rows, columns = rng.permutation(len(data.y)), rng.permutation(data.y.shape[1])
    moved = replace(
        data, phi=data.phi[rows], y=data.y[rows][:, columns], trust=data.trust[rows][:, columns]
    )
    first, second = settled(data), settled(moved)
    assert second.u == pytest.approx(first.u[rows], abs=1e-6)
    assert second.difficulty == pytest.approx(first.difficulty[columns], abs=1e-6)
    assert second.covariance == pytest.approx(first.covariance[np.ix_(rows, rows)], abs=1e-6)
    assert second.weights == pytest.approx(first.weights, abs=1e-6)


def test_without_data_the_posterior_is_the_prior() -> None:
    found = fit(data_of(0, known=0))
    assert not found.u.any()
    assert found.covariance == pytest.approx(found.kernel)
    assert found.difficulty == pytest.approx(np.tile(DIFFICULTY, (9, 1)))
    assert np.diag(found.kernel).min() > MU_VARIANCE


@quick
@given(seed=seeds)
def test_a_candidate_without_answers_is_predicted_by_its_levels_alone(seed: int) -> None:
    data = data_of(seed)
    data.y[2] = np.nan
    found = fit(data)
    assert found.u[2] == pytest.approx(found.predict(data.phi[2:3])[0], abs=1e-6)
    others = [0, 1, 3, 4, 5]
    without = replace(data, phi=data.phi[others], y=data.y[others], trust=data.trust[others])
    assert fit(without).u == pytest.approx(found.u[others], abs=1e-3)


@quick
@given(seed=seeds)
def test_answers_make_surer(seed: int) -> None:
    data = data_of(seed)
    found = from_start(data, np.zeros(6))
    assert (np.diag(found.covariance) <= np.diag(found.kernel) + 1e-9).all()
    assert (np.linalg.eigvalsh(found.covariance) > -1e-9).all()
    met = data.known.any(0)
    prior = DIFFICULTY @ GRID**2
    assert variance(found)[met].mean() < prior
    assert variance(found)[~met] == pytest.approx(prior)


def test_an_answer_that_is_trusted_less_says_less() -> None:
    data = data_of(3)
    doubtful = replace(data, trust=np.full(data.y.shape, 0.3))
    sure, unsure = (from_start(d, np.zeros(6)) for d in (data, doubtful))
    assert np.trace(unsure.covariance) > np.trace(sure.covariance)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("known", [0.3, 1.0])
def test_planted_effects_are_recovered(seed: int, known: float) -> None:
    found = settled(data_of(seed, n=60, m=80, known=known))
    effects = found.weights[ENCODER.groups[0].columns]
    assert (np.diff(effects) > 0).all()
    assert effects[0] < 0 < effects[3]
    draws = found.draw(400, np.random.default_rng(0)).weights[ENCODER.groups[0].columns]
    for i, j in ((0, 3), (0, 1), (1, 2), (2, 3)):
        low, high = np.quantile(draws[j] - draws[i], (0.005, 0.995))
        assert low < EFFECTS[j] - EFFECTS[i] < high
    inert = found.weights[ENCODER.groups[1].columns]
    assert np.ptp(inert) < 0.4 * np.ptp(effects)
    assert found.priors.groups[0] > 3 * found.priors.groups[1]


def test_intervals_cover_as_often_as_they_say() -> None:
    """Truths drawn from the model's own prior: 90 % intervals of u + the level, 40 worlds."""
    inside: list[Array] = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = data_of(seed, n=12, m=40)
        v = priors(data)
        w = rng.standard_normal(data.phi.shape[1]) * np.sqrt(
            v.columns(data.groups, data.phi.shape[1])
        )
        u = data.phi @ w + np.sqrt(v.residual) * rng.standard_normal(12)
        logit = u[:, None] - rng.choice(GRID, 40, p=v.difficulty)
        y = np.where(data.known, rng.random(logit.shape) < logistic(logit), np.nan)
        found = from_start(replace(data, y=y), np.zeros(12))
        sd = np.sqrt(np.diag(found.covariance))
        inside.append(abs(u - found.u) < 1.645 * sd)
    assert 0.8 < np.mean(inside) < 0.97


def test_partial_credit_has_less_dispersion() -> None:
    whole = settled(data_of(1, n=20, m=40))
    partial = settled(data_of(1, n=20, m=40, credits=4))
    assert whole.priors.dispersion == 1
    assert 0.15 < partial.priors.dispersion < 0.5
    assert np.trace(partial.covariance) < np.trace(whole.covariance)


def test_without_difficulty_all_examples_are_equal() -> None:
    data = data_of(1, n=20, m=40, difficulty=False)
    found = settled(data)
    assert abs(mean(found)).max() < 1e-3
    effects = found.weights[ENCODER.groups[0].columns]
    assert effects[0] < 0 < effects[3]


def extreme(kind: str) -> Data:
    data = data_of(0, n=10, m=30, known=1)
    match kind:
        case "one cell":
            y = np.full(data.y.shape, np.nan)
            y[3, 4] = 1
        case "one row":
            y = np.full(data.y.shape, np.nan)
            y[3] = 1
        case "halves":  # separable: some examples always right, the others never
            y = np.repeat(np.arange(30)[None, :] % 2.0, 10, axis=0)
        case _:
            y = np.full(data.y.shape, float(kind))
    return replace(data, y=y)


@pytest.mark.parametrize("kind", ["0", "1", "one cell", "one row", "halves"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_newton_arrives_from_anywhere(kind: str, scale: float) -> None:
    data = extreme(kind)
    rng = np.random.default_rng(1)
    far = from_start(data, scale * rng.standard_normal(10))
    near = from_start(data, np.zeros(10))
    for _ in range(STEPS):  # to the very mode
        near = from_start(data, near.a)
    assert np.isfinite(far.u).all()
    assert density(far) > density(near) - 0.05
    if kind != "halves":  # of those the common level has two modes
        assert far.u == pytest.approx(near.u, abs=0.15)
        assert mean(far) == pytest.approx(mean(near), abs=0.15)


@pytest.mark.parametrize("kind", ["0", "1", "one cell", "one row", "halves"])
def test_refits_of_extreme_data_stay_finite(kind: str) -> None:
    found = settled(extreme(kind))
    assert np.isfinite(found.covariance).all()
    assert np.isfinite(found.difficulty).all()
    draws = found.draw(50, np.random.default_rng(0))
    assert np.isfinite(draws.tried).all()
    assert np.isfinite(draws.difficulty).all()


@quick
@given(seed=seeds)
def test_a_warm_start_finds_what_a_cold_one_finds(seed: int) -> None:
    before = fit(data_of(seed))
    more = data_of(seed, known=0.7)  # the same cells, and others
    warm = from_start(more, before.a)
    cold = from_start(more, np.zeros(6))
    # The common level is all but flat: it may stop a little apart.
    assert warm.u - warm.u.mean() == pytest.approx(cold.u - cold.u.mean(), abs=0.05)
    assert density(warm) == pytest.approx(density(cold), abs=0.5)


def test_a_fit_goes_on_from_one_with_fewer_candidates() -> None:
    data = data_of(5, n=12)
    few = replace(data, phi=data.phi[:7], y=data.y[:7], trust=data.trust[:7])
    found = fit(data, fit(few))
    assert found.u.shape == (12,)
    assert np.isfinite(found.covariance).all()


@pytest.mark.parametrize("seed", range(3))
def test_draws_agree_with_the_analytic_posterior(seed: int) -> None:
    found = fit(data_of(seed, n=8, m=15))
    size = 8000
    draws = found.draw(size, np.random.default_rng(seed))
    sd = np.sqrt(np.diag(found.covariance))
    error = (draws.tried.mean(1) - found.u) / sd * np.sqrt(size)
    assert abs(error).max() < 5
    apart = np.cov(draws.tried) - found.covariance
    assert abs(apart / np.outer(sd, sd)).max() < 0.08
    # Those of the draws are of the difficulties given each drawn u: a little wider.
    assert draws.difficulty.mean(1) == pytest.approx(mean(found), abs=0.5)
    assert (draws.difficulty.var(1) > 0.9 * variance(found)).all()
    prior = np.sqrt(found.priors.columns(found.data.groups, found.data.phi.shape[1]))
    assert abs((draws.weights.mean(1) - found.weights) / prior).max() < 5 / np.sqrt(size)


# Features

TEXTS: dict[Hashable, str] = {
    "steps": "Think step by step, then give the label of the team.",
    "steps again": "Think step by step and then give the team's label.",
    "json": 'Answer as JSON: {"team": "..."}',
    "pirate": "Arr! Speak like a pirate captain of the seven seas.",
}
SIX = tuple("uvwxyz")


@pytest.mark.parametrize(
    ("axis", "levels"),
    [
        (Category("c", SIX), SIX),
        (Texts("t", TEXTS), tuple(TEXTS)),
        (Texts("t", {i: f"{i} {'word ' * (i % 7)}{i * i}" for i in range(80)}), tuple(range(80))),
        (Texts("t", {"a": "same", "b": "same", "c": "same"}), ("a", "b", "c")),
        (Texts("t", TEXTS, {"steps again": ("steps",), "json": ("steps again",)}), tuple(TEXTS)),
        (Texts("t", TEXTS, {"pirate": ("steps", "json")}), tuple(TEXTS)),
        (Number("n", 0, 12), tuple(range(13))),
        (Number("n", -1.5, 0.25), tuple(np.linspace(-1.5, 0.25, 30))),
        (Rows("r", SIX), (("u",), ("u", "v"), SIX)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_level_has_variance_one(axis: Axis, levels: tuple[object, ...]) -> None:
    vectors = np.array([axis.vector(level) for level in levels])  # type: ignore[arg-type]
    assert vectors.shape == (len(levels), axis.width)
    squares = np.sum(vectors**2, axis=1)
    assert squares.mean() == pytest.approx(1, abs=0.1)


def test_pairs_have_variance_one_together() -> None:
    encoder = Encoder([*AXES, Number("n", 0, 4)])
    phi = encoder.encode([("a", "x", 3), ("d", "z", 0)])
    pairs = phi[:, encoder.groups[-1].columns]
    assert encoder.groups[-1].name == "pairs"
    assert np.sum(pairs**2, axis=1) == pytest.approx(1)
    assert phi[:, 0] == pytest.approx(1)


def test_a_level_that_is_not_active_has_no_effect() -> None:
    encoder = Encoder([*AXES, Rows("r", SIX)])
    phi = encoder.encode([(None, "x", None), (None, None, None), ("a", "x", ())])
    tone, form, rows = (phi[:, encoder.groups[i].columns] for i in range(3))
    assert not tone[:2].any()
    assert form[0].any()
    assert not rows.any()
    assert not phi[1, 1:].any()
    assert not phi[0, encoder.groups[-1].columns].any()
    assert phi[2, encoder.groups[-1].columns].any()


def covariance(axis: Axis, one: object, other: object) -> float:
    return float(axis.vector(one) @ axis.vector(other))  # type: ignore[arg-type]


def test_similar_texts_act_alike() -> None:
    axis = Texts("t", TEXTS)
    alike = covariance(axis, "steps", "steps again")
    for other in ("json", "pirate"):
        assert alike > covariance(axis, "steps", other) + 0.2


def test_a_text_acts_like_those_it_was_made_from() -> None:
    alone = Texts("t", TEXTS)
    made = Texts("t", TEXTS, {"json": ("steps",), "pirate": ("json",)})
    inherited = {o: covariance(made, o, "steps") - covariance(alone, o, "steps") for o in TEXTS}
    assert inherited["json"] > inherited["pirate"] + 0.03
    assert inherited["pirate"] > 0.2
    assert inherited["steps again"] == pytest.approx(0)


@quick
@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_near_numbers_act_alike(a: float, b: float) -> None:
    axis = Number("n", 0, 1)
    near = covariance(axis, a, a)
    assert covariance(axis, a, b) <= near + 0.1
    assert covariance(axis, 0.0, 0.1) > covariance(axis, 0.0, 0.9) + 0.3
    assert 0.8 < near < 1.01


def test_prompts_that_share_demos_act_alike() -> None:
    axis = Rows("r", SIX)
    shared = covariance(axis, ("u", "v", "w"), ("u", "v", "x"))
    assert shared == pytest.approx(2 / 3)
    assert covariance(axis, ("u", "v"), ("v", "u")) == pytest.approx(1)
    assert covariance(axis, ("u",), ("v",)) == 0


# The table


def test_repeats_are_averaged() -> None:
    table = Table(3)
    assert table.add((("a", 1),), np.ones(2)) == 0
    assert table.take(0, 1, 1.0) is None
    assert table.take(0, 1, 0.0) == 1
    assert table.take(0, 1, 1.0) == 0.5
    assert table.y[0, 1] == pytest.approx(2 / 3)
    assert table.answers[0].tolist() == [0, 3, 0]
    assert table.known(0).tolist() == [pytest.approx(2 / 3)]


def test_an_example_without_any_answer_is_given_up() -> None:
    table = Table(2)
    for index in range(SILENT):
        table.add((("a", index),), np.ones(2))
        assert table.take(index, 0, None) is None
    assert table.left(0).tolist() == [1]
    assert table.usable(SILENT).all()
    table.send(0, 1)
    assert table.usable(SILENT).tolist() == [False, *[True] * (SILENT - 1)]
    table.take(0, 1, 1.0)
    for _ in range(3 * SILENT):
        table.take(1, 1, None)
    assert table.left(2).tolist() == [1], "an example that was answered once stays"
    assert not table.usable(2)[1], "a candidate that only fails goes"


@quick
@given(seed=seeds)
def test_usable_rows_have_an_example_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = Table(3)
    for index in range(4):
        table.add((("a", index),), np.ones(1))
    table.know(1, 2, 1.0)
    for _ in range(60):
        index, place = int(rng.integers(4)), int(rng.integers(3))
        table.send(index, place)
        table.take(index, place, None if place == 0 else 1.0)
        expected = [len(table.left(i)) > 0 and table.rows[i].silent < SILENT for i in range(4)]
        assert table.usable(4).tolist() == expected


# The policy

EXAMPLES = [Example(f"e{i:03}", {"text": f"question {i}"}, "select") for i in range(12)]
MANY = [Example(f"e{i:03}", {"text": f"question {i}"}, "select") for i in range(60)]
Rule = Callable[[Cell], float]


def policy(levels: int, examples: list[Example], **more: object) -> LathePolicy:
    """Of one component; its first half are named cheap, the second half dear."""
    kinds = ["cheap" if 2 * i < levels else "dear" for i in range(levels)]
    choice = Choice({f"{kind}{i}": f"Answer in way {i}." for i, kind in enumerate(kinds)})
    space = SearchSpace(messages="{{ way }} {{ text }}", components={"way": choice})
    given: dict[str, object] = {"study": None, "seed": 0, "settings": Settings(doubt=0), **more}
    return LathePolicy(BoundSpace(space, []), examples, **given)  # type: ignore[arg-type]


def way(cell: Cell) -> str:
    return str(dict(cell.candidate.levels)["way"])


def bought(searched: LathePolicy, rule: Rule, calls: int) -> list[Cell]:
    cells: list[Cell] = []
    while len(cells) < calls and (new := searched.propose((), 1)):
        cells += new
        tokens = 400 if way(new[0]).startswith("dear") else 40
        value = rule(new[0])
        searched.tell(outcome(new[0], Answer("", tokens, 0), {"score": value}, value))
    return cells


def draw(chance: float) -> Rule:
    """Right with this probability, anew for every cell and repeat."""
    rng = np.random.default_rng(0)
    return lambda cell: float(rng.random() < chance)


def fixed(cell: Cell) -> float:
    return float(sum(map(ord, way(cell) + cell.example.id)) % 3 > 0)


def test_repeats_are_asked_of_who_met_every_example() -> None:
    cells = bought(policy(12, EXAMPLES), fixed, 150)
    met: dict[str, set[str]] = {}
    repeats = [cell for cell in cells if cell.repeat]
    for cell in cells:
        seen = met.setdefault(way(cell), set())
        if cell.repeat:
            assert len(seen) == len(EXAMPLES)
        seen.add(cell.example.id)
    assert len(repeats) == PROBES, "the answers do not change: no more than the probes"


def test_repeats_go_on_where_answers_change() -> None:
    cells = bought(policy(12, EXAMPLES), draw(0.5), 240)
    assert sum(cell.repeat > 0 for cell in cells) > 2 * PROBES


@pytest.mark.parametrize("seed", range(12))
def test_who_was_asked_again_and_again_may_be_recommended(seed: int) -> None:
    """Each answer is a draw: a prompt that has met all examples is repeated on few of them."""
    ways = SearchSpace(
        "{{ way }} {{ text }}", {"way": Choice({f"way{i}": f"Way {i}." for i in range(3)})}
    )
    rng = np.random.default_rng(seed)
    one = LathePolicy(BoundSpace(ways, []), MANY[:16], study=None, seed=seed)
    bought(one, lambda cell: float(rng.random() < (0.85 if way(cell) == "way1" else 0.35)), 300)
    assert way(Cell(one.best.candidate, EXAMPLES[0])) == "way1"


def test_of_equals_the_cheaper_is_bought_per_token() -> None:
    def dear(per_token: bool) -> int:
        chosen = Settings(doubt=0, per_token=per_token)
        policies = (policy(12, MANY, settings=chosen, seed=seed) for seed in range(6))
        cells = [cell for one in policies for cell in bought(one, draw(0.5), 250)]
        return sum(way(cell).startswith("dear") for cell in cells)

    assert dear(per_token=True) < 0.95 * dear(per_token=False)


def mostly_by_example(seed: int) -> Rule:
    rng = np.random.default_rng(seed)
    return lambda cell: float((int(cell.example.id[1:]) % 3 > 0) != (rng.random() < 0.025))


def test_of_equals_the_shorter_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right depends on the example only, but for an answer in forty."""

    def recommended(tie: float) -> list[str]:
        monkeypatch.setattr("promptlathe.search.lathe.policy.TIE", tie)
        found: list[str] = []
        for seed in range(8):
            one = policy(12, MANY, seed=seed, settings=Settings(doubt=0, margin=0.04))
            bought(one, mostly_by_example(seed), 300)
            one.close()
            found.append(way(Cell(one.best.candidate, EXAMPLES[0])))
        return [name for name in found if name.startswith("dear")]

    assert len(recommended(0.5)) < len(recommended(0.0))


def test_the_better_is_recommended_though_it_is_longer() -> None:
    right, wrong = draw(0.9), draw(0.6)
    one = policy(6, MANY)
    bought(one, lambda cell: right(cell) if way(cell) == "dear4" else wrong(cell), 300)
    one.close()
    assert way(Cell(one.best.candidate, EXAMPLES[0])) == "dear4"


@pytest.mark.parametrize("slots", [1, 8])
def test_calls_of_one_candidate_go_out_together(slots: int) -> None:
    one, rule = policy(12, MANY), draw(0.5)
    sent: list[Cell] = []
    while len(sent) < 400:
        pending = sent[-slots + 1 :] if slots > 1 else []
        sent += (cells := one.propose(pending, 1))
        assert cells
        if len(sent) >= slots:
            told = sent[len(sent) - slots]
            one.tell(outcome(told, Answer("", 1, 0), {"score": 1.0}, rule(told)))
    late = [cell.candidate.id for cell in sent[150:]]
    changes = sum(a != b for a, b in pairwise(late))
    assert len(set(late)) > 3
    shuffled = np.random.default_rng(0).permutation(late)
    assert changes < 0.7 * sum(a != b for a, b in pairwise(shuffled))


@pytest.mark.parametrize("seed", range(3))
def test_who_is_over_the_limit_is_not_recommended(seed: int) -> None:
    def rule(cell: Cell) -> float:
        return right(cell) if way(cell).startswith("dear") else wrong(cell)

    right, wrong = draw(0.9), draw(0.4)
    free = policy(12, MANY, seed=seed)
    bought(free, rule, 200)
    assert dict(free.best.candidate.levels)["way"].startswith("dear")  # type: ignore[union-attr]
    bound = policy(12, MANY, seed=seed, limits=[Limit("tokens", 100)])
    cells = bought(bound, rule, 200)
    assert dict(bound.best.candidate.levels)["way"].startswith("cheap")  # type: ignore[union-attr]
    late = cells[100:]
    assert sum(way(cell).startswith("dear") for cell in late) < len(late) / 4


def test_groups_are_known_by_name() -> None:
    assert [g.name for g in ENCODER.groups] == ["tone", "form", "pairs"]
    assert ENCODER.groups[0] == Group("tone", 1, 5, Category.prior)
