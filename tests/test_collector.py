"""Python's collector looks seldom while units are under way, and as before afterwards."""

import gc
from collections.abc import Generator

import pytest

from promptlathe.job.collector import NEW, rare_collections


@pytest.fixture(autouse=True)
def thresholds() -> Generator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(("own", "within"), [(700, NEW), (2 * NEW, 2 * NEW), (0, 0)])
def test_what_the_program_has_set_is_kept(own: int, within: int) -> None:
    gc.set_threshold(own, 11, 12)
    with rare_collections():
        assert gc.get_threshold() == (within, 11, 12)
    assert gc.get_threshold() == (own, 11, 12)


def test_a_run_that_ends_early_leaves_it_as_it_was() -> None:
    gc.set_threshold(700, 10, 10)
    with pytest.raises(RuntimeError, match="early"):
        _end_early()
    assert gc.get_threshold() == (700, 10, 10)


@rare_collections()
def _end_early() -> None:
    raise RuntimeError("early")
