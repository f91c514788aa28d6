"""Each step of a chain by itself, as a run found it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class StepReport:
    """One step, over all cells of a run that ended."""

    step: str
    model: str
    calls: int
    """Sent and paid for in this run."""
    cached: int
    """Answers that were known already, or shared with an equal call."""
    tokens: int | None
    """Input and output of what was paid for; None when the service does not say."""
    usd: float | None
    """The same; None when a price or tokens are unknown."""
    latency: float | None
    """Seconds, mean over its answers; None without any."""
    cut_off: int
    """Answers that reached the limit of tokens, cached ones included."""
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    """Calls that gave no answer, by reason."""
    scores: Mapping[str, tuple[float | None, float | None]] = field(
        default_factory=dict[str, tuple[float | None, float | None]]
    )
    """Of its own scorers, the means of seed and best on the rows of the decision."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        scores = {name: {"seed": a, "best": b} for name, (a, b) in self.scores.items()}
        return {**asdict(self), "scores": scores}
