"""`search.policy` by its name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from promptlathe.records import Example
from promptlathe.scoring import Limit
from promptlathe.search.halving import HalvingPolicy
from promptlathe.search.policy import Policy
from promptlathe.search.race import RacePolicy
from promptlathe.search.study import SamplerName, Study, check_sampler
from promptlathe.space import BoundSpace

if TYPE_CHECKING:
    from promptlathe.search.lathe import Earlier

PolicyName = Literal["lathe", "halving", "tpe", "gp", "nsga2", "random"]


def check_policy(name: PolicyName) -> None:
    """Raises MissingExtra when the policy needs a package that is not installed."""
    check_sampler(_sampler(name))


def make_policy(
    name: PolicyName,
    space: BoundSpace,
    examples: Sequence[Example],
    *,
    seed: int,
    calls: int | None = None,
    earlier: "Sequence[Earlier]" = (),
    limits: Sequence[Limit] = (),
    per_token: bool = False,
    study: str = "promptlathe",
    path: Path | None = None,
) -> Policy:
    """The policy, with its Optuna study.

    calls: what the search may spend, if it is known. earlier: outcomes of earlier runs, which
    only `lathe` learns from. limits: which only `lathe` heeds while it searches. per_token:
    tokens are paid for, not calls; only `lathe` reckons with it. study: the study's name. path:
    the journal file that Optuna's dashboard and plots open; None keeps it in memory. Raises
    MissingExtra.
    """
    record = Study(space.space, sampler=_sampler(name), seed=seed, name=study, path=path)
    match name:
        case "lathe":
            from promptlathe.search.lathe import LathePolicy, Settings

            return LathePolicy(
                space,
                examples,
                study=record,
                seed=seed,
                earlier=earlier,
                limits=limits,
                settings=Settings(per_token=per_token),
            )
        case "halving":
            return HalvingPolicy(space, examples, study=record, seed=seed, calls=calls)
        case _:
            return RacePolicy(space, examples, study=record, seed=seed)


def _sampler(name: PolicyName) -> SamplerName:
    """Of the study; those that choose by themselves need none, and leave it only a record."""
    return "random" if name in ("lathe", "halving") else name
