"""The policies by name. A new one is a line here, and in BUDGETED if its schedule needs it."""

from functools import partial

from lab.schemes.halving import Halving
from lab.schemes.lathe import Lathe
from lab.schemes.minibatches import Minibatches
from lab.schemes.passes import GpPasses, TpePasses
from lab.schemes.pruned import Hyperband, Wilcoxon
from lab.schemes.racing import Racing
from lab.schemes.random_passes import RandomPasses
from lab.schemes.suggest import HAVE_TORCH
from lab.schemes.triple import Triple
from lab.schemes.ucb import Ucb
from lab.worlds import Make
from promptlathe.search.lathe import Settings

SCHEMES: dict[str, Make] = {
    "random": RandomPasses,
    "halving": Halving,
    "triple": Triple,
    "racing": Racing,
    "ucb": Ucb,
    "tpe": TpePasses,
    "minibatches": Minibatches,
    "wilcoxon": Wilcoxon,
    "hyperband": Hyperband,
}
if HAVE_TORCH:
    SCHEMES["gp"] = GpPasses

BASELINES = frozenset(SCHEMES)
"""What other tools do: the best of them is what our own policies are compared with."""

ABLATIONS = {
    "no-difficulty": Settings(doubt=0, repeats=False, difficulty=False),
    "no-effects": Settings(doubt=0, repeats=False, effects=False),
    "no-choice": Settings(doubt=0, repeats=False, choose_examples=False),
    "thompson": Settings(doubt=0, repeats=False, knowledge=False),
    "stops": Settings(repeats=False),
}
"""What `lathe` is worth without a part of it; `stops` ends by itself when it is sure, as a job
does: the baselines never do, so the others spend every call too."""
SCHEMES["lathe"] = partial(Lathe, settings=Settings(doubt=0, repeats=False))
SCHEMES["lathe:cold"] = partial(Lathe, settings=Settings(doubt=0, repeats=False), cold=True)
SCHEMES["lathe:right"] = partial(Lathe, settings=Settings(doubt=0, repeats=False), right=True)
for name, settings in ABLATIONS.items():
    SCHEMES[f"lathe:{name}"] = partial(Lathe, settings=settings)

BUDGETED = frozenset({"halving", "triple", "racing", "ucb"})
"""Their schedule depends on the budget: they are run anew for each number of calls."""
