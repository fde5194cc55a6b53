"""The line through measured points that predicts many calls."""

import pytest

from tests.bench.fit import Fit


def test_points_on_a_line_give_that_line() -> None:
    fit = Fit.through([(25, 150), (75, 350), (125, 550)])
    assert (fit.base, fit.slope, fit.worst) == (50, 4, 0)
    assert fit.at(1000) == 4050
    assert fit.from_it([(50, 250), (100, 470)]) == 20


def test_points_beside_a_line_are_at_a_distance() -> None:
    fit = Fit.through([(0, 1), (1, 0), (2, 2)])
    assert (fit.base, fit.slope, fit.worst) == (0.5, 0.5, 1)


def test_one_place_has_no_line() -> None:
    with pytest.raises(ZeroDivisionError):
        Fit.through([(5, 1), (5, 2)])
