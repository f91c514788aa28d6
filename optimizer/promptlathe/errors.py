"""Every exception that promptlathe raises.

    PromptlatheError
    ├── InputError            exit 2    something the user wrote: file, field, fix
    │   └── MissingExtra      exit 2    an optional dependency is not installed
    ├── BudgetTooSmall        exit 4    nothing could be compared within the budget
    ├── Busy                  exit 6    another process holds what this one needs
    ├── StorageFailed         exit 1    a disk is full, or a database went away during a run
    ├── ClusterLost           exit 1    the Ray cluster, or all of its workers, went away
    ├── ModelUnavailable      exit 5    the model refuses every call: key, name, network
    └── Interrupted           exit 130  stopped by the user; what was paid for is kept

A failed call is not an exception: it is a `records.Failure`, kept beside the answers.
Each class hands its fields to `Exception.__init__`, so that it survives a process boundary.
"""

from promptlathe.visible import visible

LONGEST = 1600
"""Characters of a part of a message."""


class PromptlatheError(Exception):
    """The base of all of them; `exit_code` is what the command line ends with."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message and the notes, without the lines that led here."""
        lines = [f"{type(self).__name__}: {self}", *getattr(self, "__notes__", ())]
        return [visible(line) for line in lines]


class InputError(PromptlatheError):
    """Bad input: `what` is wrong, `where` (file, line or field), and the `fix`."""

    exit_code = 2

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        where = (self.where or "").replace("\n", "\\n")  # in a file's name, a line of its own
        place = f"{where}: " if where else ""
        advice = f"\n  → {_short(self.fix)}" if self.fix else ""
        return f"{_short(place)}{_short(self.what)}{advice}"


def _short(text: str) -> str:
    """With the middle left out where it is longer than anybody reads: a name or value of theirs."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


class MissingExtra(InputError):
    """A feature needs a package that is installed only on demand."""

    def __init__(self, package: str, extra: str, feature: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed",
            None,
            f"install it with: pip install 'promptlathe[{extra}]'",
        )
        self.package, self.extra, self.feature = package, extra, feature

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.package, self.extra, self.feature)


class BudgetTooSmall(PromptlatheError):
    """The budget ended before two prompts could be compared."""

    exit_code = 4

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.fix}"


class Busy(PromptlatheError):
    """Another process holds what this one needs: `what`, and the `fix`."""

    exit_code = 6

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.fix}"


class StorageFailed(PromptlatheError):
    """What a run keeps could not be written any more: `what`, `where` (file or address), `fix`."""

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  → {self.fix}"


class ClusterLost(PromptlatheError):
    """Calls cannot be carried any more: `what` of the Ray cluster is gone, and the `fix`."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.fix}"


class ModelUnavailable(PromptlatheError):
    """The model cannot be used at all; `reason` is a `records.FailureReason`."""

    exit_code = 5

    def __init__(self, model: str, reason: str, detail: str, fix: str) -> None:
        super().__init__(model, reason, detail, fix)
        self.model, self.reason, self.detail, self.fix = model, reason, detail, fix

    def __str__(self) -> str:
        return f"model {self.model}: {self.reason}: {self.detail}\n  → {self.fix}"


class Interrupted(PromptlatheError):
    """Stopped by the user (Ctrl-C or SIGTERM)."""

    exit_code = 130

    def __init__(self, calls: int) -> None:
        super().__init__(calls)
        self.calls = calls

    def __str__(self) -> str:
        return (
            f"interrupted; the {self.calls} answers paid for are kept: "
            "the same command goes on from there"
        )
