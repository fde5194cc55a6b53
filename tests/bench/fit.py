"""A straight line fitted to measured points."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LinearFit:
    """`intercept + slope * x`. `max_error` is the largest vertical distance of a fitted point from the line."""

    intercept: float
    slope: float
    max_error: float = 0.0

    @classmethod
    def least_squares(cls, points: Sequence[Point]) -> "LinearFit":
        """The line with the smallest sum of squared vertical distances. Raises ZeroDivisionError if all points have the same x."""
        mean_x, mean_y = (fsum(values) / len(points) for values in zip(*points, strict=True))
        variation = fsum((x - mean_x) ** 2 for x, _ in points)
        slope = fsum((x - mean_x) * (y - mean_y) for x, y in points) / variation
        line = cls(mean_y - slope * mean_x, slope)
        return cls(line.intercept, line.slope, line.max_error_of(points))

    def value_at(self, x: float) -> float:
        return self.intercept + self.slope * x

    def max_error_of(self, points: Sequence[Point]) -> float:
        """The largest vertical distance of these points from the line."""
        return max(abs(y - self.value_at(x)) for x, y in points)
