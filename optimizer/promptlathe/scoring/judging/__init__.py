"""Models that score: the forms of a judge, what it is asked, and how its verdicts are read.

rubric, levels ─┐
built-in text ──┴→ Form ─→ chat, or the Decisions API ─→ Verdict ─→ Score
"""

from promptlathe.scoring.judging.compare import Compare, compare
from promptlathe.scoring.judging.judge import Judge, judge

__all__ = ["Compare", "Judge", "compare", "judge"]
