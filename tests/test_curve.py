"""Points of a run's curves: even over the calls, few, and the last one stays."""

from itertools import pairwise

import pytest

from promptlathe.job.curve import POINTS, Curves, Drawn
from promptlathe.results import CurvePoint


def drawn(calls: int, best: float = 0.5) -> Drawn:
    return Drawn(CurvePoint(calls, 0.5, best), {"progress/score_best": best})


@pytest.mark.parametrize("calls", [1, 150, 2_000, 123_457])
def test_points_are_few_and_even_and_the_last_one_stays(calls: int):
    curves = Curves()
    for one in range(1, calls + 1):
        if curves.due(one):
            curves.add(drawn(one))
    curves.add(drawn(calls))
    kept = [point.calls for point in curves.points]
    assert kept[0] == 1
    assert kept[-1] == calls
    assert min(calls, POINTS // 2) <= len(kept) <= POINTS + 1
    distances = {b - a for a, b in pairwise(kept[:-1])}
    assert len(distances) <= 1
    sent = [one.point.calls for one in curves.take(at_once=True)]
    assert set(kept) <= set(sent)


def test_a_point_is_sent_once_and_at_a_settled_pace():
    curves = Curves()
    curves.add(drawn(1))
    assert [one.point.calls for one in curves.take()] == [1]
    curves.add(drawn(2))
    assert curves.take() == []
    assert [one.point.calls for one in curves.take(at_once=True)] == [2]
    curves.add(drawn(2))
    assert curves.take(at_once=True) == []


def test_after_as_many_calls_the_later_point_counts():
    curves = Curves()
    curves.add(drawn(7, 0.25))
    curves.add(drawn(7, 0.75))
    assert [point.best for point in curves.points] == [0.75]
