"""Which examples tell prompts apart, and which prompts find the same ones hard."""

import numpy as np
import pytest

from promptlathe.search.lathe.features import Category, Encoder
from promptlathe.search.lathe.link import logistic
from promptlathe.search.lathe.model import Data, Fit, fit
from promptlathe.search.lathe.rows import LEAST, MOST, ranked

PROMPTS = [f"p{i}" for i in range(40)]
ENCODER = Encoder([Category("prompt", PROMPTS)])
PHI = ENCODER.encode([(one,) for one in PROMPTS])


def fitted(y: np.ndarray) -> Fit:
    data = Data(ENCODER.groups, PHI[: len(y)], y, np.ones(y.shape))
    return fit(data, fit(data))


def test_of_copies_one_is_taken_then_what_differs_otherwise_and_constants_last() -> None:
    rng = np.random.default_rng(0)
    good, other = rng.permutation(np.arange(40) % 2), rng.permutation(np.arange(40) % 2)
    y = np.zeros((40, 30))
    y[:, :10] = good[:, None]
    y[:, 10:14] = other[:, None]
    y[:, 20:] = 1
    rank = ranked(fitted(y))
    order = np.argsort(rank)
    assert order[0] < 10
    assert 10 <= order[1] < 14
    assert rank[14:].min() > 1


def test_an_example_that_tells_nothing_of_the_others_is_never_among_the_first() -> None:
    """Half the prompts are right on each, so that by difficulty alone they are all the same."""
    good, ranks = np.arange(40) % 2, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = (rng.random((40, 40)) < 0.15 + 0.7 * good[:, None]).astype(float)
        y[:, 5] = rng.permutation(good)
        ranks.append(ranked(fitted(y))[5])
    assert min(ranks) >= 8
    assert np.mean(ranks) > 20


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_it_is_the_greedy_choice_by_the_whole_covariance(share: float) -> None:
    rng = np.random.default_rng(2)
    y = (rng.random((40, 25)) < rng.random(25)).astype(float)
    y[rng.random(y.shape) > share] = np.nan
    y[0, 0] = 1.0
    found = fitted(y)
    p = found.chance(found.u)
    known = ~np.isnan(y)
    left = np.where(known, 0, found.luck(found.u)).mean(0) + LEAST
    c = np.cov(np.where(known, y, p).T, bias=True) + np.diag(left)
    order: list[int] = []
    for _ in range(25):
        inverse = np.linalg.pinv(c[np.ix_(order, order)])
        given = c - c[:, order] @ inverse @ c[order]
        said = given.mean(1) ** 2 / np.maximum(np.diag(given), 1e-12)
        said[order] = -1  # of what is known nothing is left
        order.append(int(np.argmax(said)))
    assert np.argsort(ranked(found))[:15].tolist() == order[:15]


def test_no_more_are_ranked_than_are_of_use() -> None:
    rank = ranked(fitted((np.random.default_rng(3).random((8, 300)) < 0.5).astype(float)))
    assert sorted(rank)[: MOST + 1] == [*range(MOST), np.inf]


def test_a_candidate_that_finds_other_examples_hard_is_noticed() -> None:
    rng = np.random.default_rng(4)
    d, u = 2 * rng.standard_normal(60), rng.standard_normal(12)
    y = (rng.random((12, 60)) < logistic(u[:, None] - d)).astype(float)
    y[1] = rng.permutation(y[1])
    y[rng.random(y.shape) < 0.4] = np.nan
    y[2] = np.nan
    found = fitted(y)
    assert found.agreement(1) < 0.1
    assert found.agreement(2) == 0.5, "nothing is known of it"
    assert np.mean([found.agreement(i) > 0.9 for i in range(12) if i not in (1, 2)]) >= 0.9
