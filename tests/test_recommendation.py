"""What is recommended, case by case."""

import pytest

from promptlathe.decide import Comparison, Kept, recommend

UP = Comparison(0.5, 0.7, 0.2, 0.1, 0.3, 100, 0)
DOWN = Comparison(0.7, 0.5, -0.2, -0.3, -0.1, 100, 0)
TIE = Comparison(0.5, 0.52, 0.02, -0.1, 0.14, 100, 0)
LEANS_AGAINST = Comparison(0.5, 0.48, -0.02, -0.14, 0.1, 100, 0)
ALL = Kept()


@pytest.mark.parametrize(
    ("best_seed", "kept", "cheaper", "use"),
    [
        (UP, ALL, False, "best"),
        (UP, Kept(best="broken"), True, "seed"),
        (TIE, ALL, False, "seed"),
        (TIE, ALL, True, "best"),
        (LEANS_AGAINST, ALL, True, "seed"),
        (LEANS_AGAINST, Kept(seed="broken"), False, "best"),
        (DOWN, Kept(seed="broken"), True, "seed"),
        (DOWN, ALL, True, "seed"),
    ],
)
def test_without_a_champion(best_seed: Comparison, kept: Kept, cheaper: bool, use: str) -> None:
    found = recommend(best_seed, kept=kept, cheaper=cheaper)
    assert (found.use, found.compared_with) == (use, "seed")
    assert found.verdict == best_seed.verdict
    assert found.reason


@pytest.mark.parametrize(
    ("best_seed", "best_champion", "champion_seed", "kept", "cheaper", "use"),
    [
        (UP, DOWN, UP, ALL, True, "champion"),  # better than the seed is not enough
        (UP, UP, UP, ALL, False, "best"),
        (UP, TIE, UP, ALL, False, "champion"),
        (UP, TIE, UP, ALL, True, "best"),
        (UP, LEANS_AGAINST, UP, ALL, True, "champion"),
        (UP, UP, UP, Kept(best="broken"), False, "champion"),
        (TIE, TIE, DOWN, ALL, False, "seed"),  # the champion has aged
        (DOWN, UP, DOWN, ALL, False, "seed"),
        (DOWN, DOWN, TIE, Kept(champion="broken"), False, "seed"),
        (TIE, LEANS_AGAINST, UP, Kept(champion="broken"), False, "best"),
        (DOWN, DOWN, UP, Kept(champion="broken"), False, "champion"),
    ],
)
def test_with_a_champion(
    best_seed: Comparison,
    best_champion: Comparison,
    champion_seed: Comparison,
    kept: Kept,
    cheaper: bool,
    use: str,
) -> None:
    found = recommend(best_seed, best_champion, champion_seed, kept=kept, cheaper=cheaper)
    assert (found.use, found.compared_with) == (use, "champion")
    assert found.verdict == best_champion.verdict
    assert found.reason
