"""The page describes the method of the benchmark as it is."""

from pathlib import Path

from tests.bench.parts import GROUPS
from tests.bench.report import page
from tests.bench.scale import Scale

PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"


def test_the_page_has_the_generated_method() -> None:
    _, heading, method = page("", Scale(), GROUPS).partition("\n## Method\n")
    assert heading
    assert PAGE.read_text().endswith(heading + method)
