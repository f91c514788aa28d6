"""A finished job that shows itself."""

from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

from promptlathe import results
from promptlathe.job.stores import ledger_in
from promptlathe.ledger import Ledger
from promptlathe.notebook.page import page
from promptlathe.notebook.summary import summary
from promptlathe.results.kept import LATEST, result_of

if TYPE_CHECKING:  # matplotlib loads when something is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Result(results.Result):
    """A finished job: its data, and the ways to look at them.

    In a notebook it shows itself as HTML. `frames` has the records as data frames.
    """

    @classmethod
    def of(cls, result: results.Result) -> Self:
        """The same result, as `promptlathe.job.run` or a ledger gives it."""
        return cls(**{one.name: getattr(result, one.name) for one in fields(results.Result)})

    def summary(self) -> str:
        """A text of one screen: verdict, recommended prompt, what works, what it cost, notes."""
        return summary(self)

    def _repr_html_(self) -> str:
        return page(self)

    @overload
    def plot_progress(self, ax: None = None) -> "Figure": ...
    @overload
    def plot_progress(self, ax: "Axes") -> "Axes": ...
    def plot_progress(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """The estimates of the seed and of the best by then, on `select`, over calls.

        Draws on `ax`, and returns it; without one, returns a new figure. So do the other charts.
        """
        from promptlathe.notebook.charts import drawn, progress

        return drawn(self, progress, ax)

    @overload
    def plot_effects(self, ax: None = None) -> "Figure": ...
    @overload
    def plot_effects(self, ax: "Axes") -> "Axes": ...
    def plot_effects(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """What works, in points with 95 % intervals: in the best prompt, else on average."""
        from promptlathe.notebook.charts import drawn, effects

        return drawn(self, effects, ax)

    @overload
    def plot_pareto(self, ax: None = None) -> "Figure": ...
    @overload
    def plot_pareto(self, ax: "Axes") -> "Axes": ...
    def plot_pareto(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """Quality on `select` against USD (else tokens) per call, with the Pareto front."""
        from promptlathe.notebook.charts import drawn, pareto

        return drawn(self, pareto, ax)


def load_result(run: str = LATEST, *, workspace: str | Path | None = None) -> Result:
    """The result of an earlier run of a workspace.

    run: its name in the ledger or in MLflow, or how that begins; `latest`.
    workspace: the folder with `.promptlathe/`; by default the working directory, or one above it.
    Raises InputError when there is no such run.
    """
    url, _ = ledger_in(None if workspace is None else Path(workspace))
    with closing(Ledger(url)) as ledger:
        return Result.of(result_of(ledger, run, "load_result"))
