"""How a test split wears out, simulated: ties promoted, and gains that are still shown.

    python benchmarks/openings.py [--sequences 4000] [--rows 150]

The champion's answers are fixed within a sequence, as cached ones are; each run brings a challenger
of its own on the same rows. Answers are right or wrong; a row's chance is the logistic function of
a skill plus the row's ease, normal with a standard deviation of SPREAD, under which two prompts'
answers correlate at about 0.6.
"""

import argparse

import numpy as np

from promptlathe.decide.comparison import t_quantile
from promptlathe.decide.wealth import CAP, spend

SPREAD = 4.5
CHAMPION = 0.7


def chances(skill: float, ease: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-skill - SPREAD * ease))


def skill_of(success: float) -> float:
    """The skill with this mean success over all rows."""
    ease = np.random.default_rng(0).standard_normal(200_000)
    low, high = -30.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chances(middle, ease).mean() < success else (low, middle)
    return low


class Sequences:
    """Many users at once, each with rows and a champion of their own."""

    def __init__(self, count: int, rows: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.ease = self.rng.standard_normal((count, rows))
        self.champion = self.draw(skill_of(CHAMPION))

    def draw(self, skill: float) -> np.ndarray:
        return (self.rng.random(self.ease.shape) < chances(skill, self.ease)).astype(float)

    def better(self, skill: float, level: float) -> np.ndarray:
        """Of a new challenger for each, whether the verdict is `better`."""
        differences = self.draw(skill) - self.champion
        n = differences.shape[1]
        half = t_quantile(1 - level, n - 1) * differences.std(axis=1, ddof=1) / np.sqrt(n)
        return differences.mean(axis=1) > half

    def ever(self, skill: float, levels: list[float]) -> np.ndarray:
        """Promoted at least once by the end of each run; a mean over sequences."""
        found = np.array([self.better(skill, level) for level in levels])
        return np.maximum.accumulate(found).mean(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=150)
    args = parser.parse_args()
    spent, flat = [spend(j) for j in range(1, 53)], [CAP] * 52
    sizes = (args.sequences, args.rows)
    world = Sequences(*sizes, seed=1)
    tie = skill_of(CHAMPION)
    pair = np.corrcoef(world.champion.ravel(), world.draw(tie).ravel())[0, 1]
    print(f"{sizes[0]:,} sequences, {sizes[1]} rows, correlation of answers {pair:.2f}\n")
    print("| promoted at least once | runs | each at 2.5 % | spending |\n|---|---|---|---|")
    plain, wealth = (Sequences(*sizes, seed=1).ever(tie, levels) for levels in (flat, spent))
    for runs in (1, 10, 52):
        print(f"| an equal challenger | {runs} | {plain[runs - 1]:.1%} | {wealth[runs - 1]:.1%} |")
    gained = skill_of(CHAMPION + 0.1)
    plain, wealth = (Sequences(*sizes, seed=2).ever(gained, levels[:3]) for levels in (flat, spent))
    for runs in (1, 2, 3):
        print(f"| +10 points | {runs} | {plain[runs - 1]:.1%} | {wealth[runs - 1]:.1%} |")
    openings = (1, 2, 3, 6, 12, 26, 52)
    print("\nChance that opening number n alone shows a true gain:\n")
    print("| rows | gain | " + " | ".join(f"n = {n}" for n in openings) + " |")
    print("|---|---|" + "---|" * len(openings))
    for rows in (50, 150, 400):
        for gain in (0.05, 0.1, 0.15):
            skill = skill_of(CHAMPION + gain)
            curve = Sequences(min(2000, args.sequences), rows, seed=3)
            shown = (f"{curve.better(skill, spend(n)).mean():.0%}" for n in openings)
            print(f"| {rows} | +{100 * gain:.0f} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
