"""What is taken of a budget: an amount for each limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amounts:
    """Calls, tokens (input and output), USD and seconds."""

    calls: float = 0
    tokens: float = 0
    usd: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.usd + other.usd,
            self.seconds + other.seconds,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        """Not below nothing: sums of fractions come and go."""
        return Amounts(
            max(0, self.calls - other.calls),
            max(0, self.tokens - other.tokens),
            max(0.0, self.usd - other.usd),
            max(0.0, self.seconds - other.seconds),
        )

    def __mul__(self, times: float) -> Amounts:
        return Amounts(
            self.calls * times, self.tokens * times, self.usd * times, self.seconds * times
        )


NOTHING = Amounts()
ONE_CALL = Amounts(calls=1)
