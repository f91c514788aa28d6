"""Whether a conformance suite catches what it is for."""

from typing import Any


def names_of(suite: type[Any]) -> set[str]:
    """The names of its tests."""
    return {name for name in dir(suite) if name.startswith("test_")}


def caught_by(suite: Any, *tests: str) -> set[str]:
    """The tests of a suite that fail: of these, or of all."""
    failed = set[str]()
    for name in tests or sorted(names_of(type(suite))):
        try:
            getattr(suite, name)()
        except Exception:  # noqa: BLE001 - as a runner of tests does
            failed.add(name)
    return failed
