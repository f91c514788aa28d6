"""The decision: prompts on the same held-out rows, paired."""

from promptlathe.decide.comparison import Comparison, Verdict, compare

__all__ = ["Comparison", "Verdict", "compare"]
