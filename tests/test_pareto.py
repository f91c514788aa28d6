"""The Pareto front of quality against price."""

from dataclasses import replace

from promptlathe.records import Candidate, Estimate, Message, Prompt, Standing
from promptlathe.results import pareto


def standing(number: int, score: float, tokens: int | None, cells: int = 20) -> Standing:
    candidate = Candidate.single((("n", number),), Prompt((Message("user", f"{number}"),)))
    estimate = Estimate(score, score - 0.1, score + 0.1, cells)
    total = None if tokens is None else tokens * cells
    return Standing(candidate, estimate, "complete", cells, total, None, 0, 0, 0, number)


def numbers(*standings: Standing) -> list[int]:
    return [one.number for one in pareto(standings)]


def test_it_holds_those_that_none_beats_in_both() -> None:
    cheap, good, best = standing(0, 0.2, 10), standing(1, 0.5, 50), standing(2, 0.9, 200)
    dear, worse = standing(3, 0.5, 60), standing(4, 0.4, 50)
    assert numbers(best, dear, worse, good, cheap) == [0, 1, 2]
    assert numbers(dear, worse) == [4, 3]


def test_of_equals_there_is_the_first() -> None:
    assert numbers(standing(2, 0.5, 50), standing(1, 0.5, 50)) == [1]


def test_few_answers_and_unknown_prices_say_nothing() -> None:
    lucky = standing(0, 1.0, 10, cells=4)
    failing = replace(standing(1, 1.0, 10), failures=15)
    refused = replace(standing(4, 1.0, None), failed=15)
    silent = replace(standing(2, 0.5, 10), estimate=None)
    assert numbers(lucky, failing, refused, silent, standing(3, 0.3, 50)) == [3]
    assert numbers(standing(0, 0.5, None), standing(1, 0.6, 20)) == []
    assert numbers() == []


def test_a_known_cost_is_the_price() -> None:
    """The model that takes more tokens is the cheaper one."""
    small = replace(standing(0, 0.5, 100), cost=0.1)
    large = replace(standing(1, 0.5, 50), cost=0.4)
    assert numbers(small, large) == [0]
    assert numbers(replace(small, cost=0.0), replace(large, cost=0.0)) == [1]
