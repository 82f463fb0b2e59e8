"""Surfaces that simulations draw from: what a fit finds again, and which searches are called good."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import surfaces
from benchmarks.sparse_search import GOOD, Truth, grid, until_good


@pytest.fixture
def _stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of two K whose gains are a polynomial with its top, 1.5 points, at ε = 1, p = 0.5 and K = 2."""
    lines = ["surface,epsilon,p,k,gain,seeds"]
    for epsilon in (0.1, 0.5, 1, 2, 5, 10):
        for p in (0.1, 0.3, 0.5, 0.7, 0.9):
            for k in (1, 2):
                gain = 0.5 + 0.5 * k - 0.8 * math.log10(epsilon) ** 2 - 2 * (p - 0.5) ** 2
                lines.append(f"digits,{epsilon},{p},{k},{gain},2")
    path = tmp_path / "surfaces.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(surfaces, "PATH", path)
    for cached in (surfaces.cells, surfaces.fitted):
        cached.cache_clear()
    yield
    for cached in (surfaces.cells, surfaces.fitted):
        cached.cache_clear()


@pytest.mark.usefixtures("_stated")
def test_a_polynomial_is_found_again_and_moved_so_that_its_best_gains_what_is_asked() -> None:
    _, explained = surfaces.fitted("digits")
    assert explained == pytest.approx(1)
    rng = np.random.default_rng(0)
    gains = surfaces.draw("digits", rng, 4000, 0.3)
    assert gains.max() == pytest.approx(0.3, abs=0.02)
    assert gains.max() <= 0.3 + 1e-9
    # At K = 1 the top is half a point lower; means over evenly drawn log ε and p are integrals.
    size, p = (np.linspace(low, high, 2001) for low, high in ((-1, 1), (0.1, 0.9)))
    expected = 0.3 - 0.25 - 0.8 * (size**2).mean() - 2 * ((p - 0.5) ** 2).mean()
    assert gains.mean() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", surfaces.NAMES)
def test_a_recorded_surface_covers_its_grid(name: str) -> None:
    places, gains = surfaces.cells(name)
    count = math.prod(len(np.unique(axis)) for axis in places.T)
    assert len(places) == len(gains) == count
    assert 0 < surfaces.fitted(name)[1] < 1


def test_few_cells_are_good_wherever_the_best_one_is() -> None:
    """By hand: in the middle of the grid the best, two neighbours in ε, one in K."""
    cells = [trial.hyperparameters for trial in grid()]
    assert len(cells) == 144
    counts = [sum(Truth(best, 0).gain(cell) >= GOOD for cell in cells) for best in cells]
    assert (min(counts), max(counts)) == (4, 6)


def test_a_choice_counts_from_when_it_stays_good() -> None:
    assert until_good([(1, False), (2, True), (3, False), (4, True), (5, True)]) == 4
    assert until_good([(1, True), (2, False)]) == math.inf
    assert until_good([]) == math.inf
