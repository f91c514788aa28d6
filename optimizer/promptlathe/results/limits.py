"""The objective's limits, as the rows of the final comparison show them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from promptlathe.decide import Held
from promptlathe.records import FinalistName
from promptlathe.scoring import Limit

State = Literal["kept", "broken", "not shown", "not known"]
"""Of a limit and a prompt. `not shown`: the rows are too few to say. `not known`: the service does
not tell what calls take."""


@dataclass(frozen=True)
class Taken:
    """What one prompt took, or scored, on the rows of the final comparison."""

    mean: float | None
    """Over its rows; None where none tells."""
    end: float | None = None
    """Of a score: with 95 % confidence the mean is no worse than this."""
    rows: int = 0
    unscored: int = 0
    """Rows without a score, which count as the worst."""
    needed: int | None = None
    """Rows like these that would show that a limit on a score is kept; None when none would."""

    def state(self, limit: Limit) -> State:
        """Whether the limit is kept."""
        if self.mean is None:
            return "not shown" if limit.on_score else "not known"
        if not limit.keeps(self.mean):
            return "broken"
        return "kept" if self.end is None or limit.keeps(self.end) else "not shown"


@dataclass(frozen=True)
class Checked:
    """A limit, and what the prompts of the final comparison took on its rows."""

    limit: Limit
    seed: Taken
    best: Taken
    champion: Taken | None = None

    @property
    def kept(self) -> bool:
        """By the best prompt, as far as it is known."""
        return self.held("best") == "kept"

    def held(self, side: FinalistName) -> Held:
        """By one of the prompts; a side that is not there breaks nothing."""
        taken: Taken | None = getattr(self, side)
        state = taken.state(self.limit) if taken else "kept"
        return "kept" if state == "not known" else state

    @property
    def note(self) -> str | None:
        """What a reader should know."""
        state = self.best.state(self.limit)
        if state == "not known":
            return f"the limit on {self.limit.metric} was not checked: the service does not tell"
        if self.limit.on_score:
            return f"the limit {self.limit}: {self._said(state)}"
        if state == "kept":
            return None
        found = f"the best prompt breaks the limit {self.limit}: {self.best.mean:.4g}"
        broken = self.seed.state(self.limit) == "broken"
        return found + (f"; so does the seed prompt: {self.seed.mean:.4g}" if broken else "")

    def _said(self, state: State) -> str:
        """Of a limit on a score."""
        one = self.best
        side = "at least" if self.limit.at_least else "at most"
        worst = f", {one.unscored} of them without a score" if one.unscored else ""
        found = (
            f"{one.mean:.4g} on {one.rows} rows{worst}, {side} {one.end:.4g} with 95 % confidence"
        )
        match state:
            case "kept":
                return f"the best prompt keeps it: {found}"
            case "broken":
                return f"the best prompt breaks it: {found}"
            case _:
                would = f"; {one.needed:,} rows like these would do" if one.needed else ""
                few = "the rows are too few to say whether the best prompt keeps it"
                return f"{few}: {found}{would}"

    def to_dict(self) -> dict[str, Any]:
        sides = {name: getattr(self, name) for name in ("seed", "best", "champion")}
        return {
            "metric": self.limit.metric,
            "most": None if self.limit.at_least else self.limit.bound,
            "least": self.limit.bound if self.limit.at_least else None,
            **{name: taken and taken.mean for name, taken in sides.items()},
            "kept": self.kept,
            "state": self.best.state(self.limit),
            "shown": {name: _shown(taken) for name, taken in sides.items()}
            if self.limit.on_score
            else None,
        }


def _shown(taken: Taken | None) -> dict[str, Any] | None:
    if taken is None:
        return None
    return {key: value for key, value in asdict(taken).items() if key != "mean"}
