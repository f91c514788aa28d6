"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """As in pyproject.toml; "unknown" in a source tree that was never installed."""
    try:
        return installed("promptlathe")
    except PackageNotFoundError:
        return "unknown"
