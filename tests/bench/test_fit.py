"""The fitted line that predicts the cost of many calls."""

import pytest

from tests.bench.fit import LinearFit


def test_points_on_a_line_are_fitted_exactly() -> None:
    fit = LinearFit.least_squares([(25, 150), (75, 350), (125, 550)])
    assert (fit.intercept, fit.slope, fit.max_error) == (50, 4, 0)
    assert fit.value_at(1000) == 4050
    assert fit.max_error_of([(50, 250), (100, 470)]) == 20


def test_other_points_have_an_error() -> None:
    fit = LinearFit.least_squares([(0, 1), (1, 0), (2, 2)])
    assert (fit.intercept, fit.slope, fit.max_error) == (0.5, 0.5, 1)


def test_points_with_the_same_x_cannot_be_fitted() -> None:
    with pytest.raises(ZeroDivisionError):
        LinearFit.least_squares([(5, 1), (5, 2)])
