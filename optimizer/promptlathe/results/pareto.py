"""The Pareto front: which candidates no other beats in both quality and price."""

from collections.abc import Iterable

from promptlathe.records import Standing

FEWEST_ANSWERS = 8
"""Answered cells below which a candidate's figures say too little."""


def pareto(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """The front, cheapest first, of the candidates with at least FEWEST_ANSWERS answers.

    Quality is the estimate's mean; the price is the cost per cell where that is known of all of
    them and not always 0, else the tokens per cell. Empty when neither is known: what is unknown
    is not cheap.
    """
    known = [s for s in standings if s.estimate and answered(s) >= FEWEST_ANSWERS]
    for price_of in (cost_per_call, tokens_per_call):
        prices = [price for s in known if (price := price_of(s)) is not None]
        if len(prices) == len(known) and any(prices):
            return _front([(price, s) for price, s in zip(prices, known, strict=True)])
    return ()


def tokens_per_call(standing: Standing) -> float | None:
    """Mean over its answered cells; None when the service does not say."""
    return _each(standing.tokens, standing)


def cost_per_call(standing: Standing) -> float | None:
    """USD, mean over its answered cells; None when the price is unknown."""
    return _each(standing.cost, standing)


def _each(total: float | None, standing: Standing) -> float | None:
    count = answered(standing)
    return total / count if total is not None and count else None


def answered(standing: Standing) -> int:
    """Its cells that have an answer."""
    return standing.cells - standing.failures - standing.failed


def _front(priced: list[tuple[float, Standing]]) -> tuple[Standing, ...]:
    """Cheapest first, each better than all that are cheaper."""

    def quality(standing: Standing) -> float:
        assert standing.estimate is not None
        return standing.estimate.mean

    front: list[Standing] = []
    for _, standing in sorted(priced, key=lambda one: (one[0], -quality(one[1]), one[1].number)):
        if not front or quality(standing) > quality(front[-1]):
            front.append(standing)
    return tuple(front)
