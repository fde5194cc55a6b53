"""A straight line through measured points, and how far from it they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """`base + slope * x`. No point that it was fitted to is further away than `worst`."""

    base: float
    slope: float
    worst: float = 0.0

    @classmethod
    def through(cls, points: Sequence[Point]) -> "Fit":
        """The line with the smallest sum of squared distances. Needs points at two different places."""
        mean_x, mean_y = (fsum(values) / len(points) for values in zip(*points, strict=True))
        spread = fsum((x - mean_x) ** 2 for x, _ in points)
        slope = fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
        line = cls(mean_y - slope * mean_x, slope)
        return cls(line.base, line.slope, line.from_it(points))

    def at(self, x: float) -> float:
        return self.base + self.slope * x

    def from_it(self, points: Sequence[Point]) -> float:
        """The largest distance of these points from the line."""
        return max(abs(y - self.at(x)) for x, y in points)
