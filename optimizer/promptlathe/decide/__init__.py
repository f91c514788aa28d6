"""The decision: prompts on the same held-out rows, paired."""

from promptlathe.decide.comparison import Comparison, Verdict, compare, compare_values
from promptlathe.decide.recommendation import Held, Kept, Recommendation, recommend
from promptlathe.decide.wealth import Level, level_of

__all__ = [
    "Comparison",
    "Held",
    "Kept",
    "Level",
    "Recommendation",
    "Verdict",
    "compare",
    "compare_values",
    "level_of",
    "recommend",
]
