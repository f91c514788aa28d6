"""The decision: prompts on the same held-out rows, paired."""

from promptlathe.decide.comparison import Comparison, Verdict, compare
from promptlathe.decide.recommendation import Kept, Recommendation, recommend
from promptlathe.decide.wealth import Level, level_of

__all__ = [
    "Comparison",
    "Kept",
    "Level",
    "Recommendation",
    "Verdict",
    "compare",
    "level_of",
    "recommend",
]
