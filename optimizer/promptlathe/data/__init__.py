"""Rows of a dataset, and which split each is in.

file ─ dataset → rows ─ splits → examples
"""

from promptlathe.data.dataset import HuggingFace, Source
from promptlathe.data.splits import SPLITS, Splits

__all__ = ["SPLITS", "HuggingFace", "Source", "Splits"]
