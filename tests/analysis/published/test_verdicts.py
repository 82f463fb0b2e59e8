"""Verdicts by hand, and how often a perfect reproduction is called different."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from analysis import published
from analysis.published.comparison import Cell, judged, matched, scores
from analysis.published.verdicts import (
    AGREES,
    DIFFERS,
    UNDECIDED,
    half_width,
    variance_of_accuracy,
    variance_of_f1,
    verdict,
)
from analysis.records import train_sizes
from analysis.statistics import estimate

DRAWN = {"imdb-lstm": 5000, "pheme-bilstm": 637}
"""Test examples of the datasets whose split the paper drew."""
TABLES = [("dropattack", str(table)) for table in range(2, 11)]
TABLES += [("apb", "Figure 2"), ("apb", "Figure 3a"), ("dropen", "1"), ("dropen", "2")]


def test_verdicts_by_hand() -> None:
    """Five seeds of mean 0.90 and sd 0.001: two means differ beyond 2.776·0.001·√(2/5) = 0.00176."""
    ours = estimate(np.array([-1.0, -1, 0, 1, 1]) * 0.001 + 0.90)
    assert ours.sd == pytest.approx(0.001)
    half = half_width(ours, runs=5)
    assert half == pytest.approx(0.001756, abs=1e-6)
    assert verdict(ours.mean, half, 0.9017, 0.88) == AGREES
    assert verdict(ours.mean, half, 0.9018, 0.88) == DIFFERS
    assert verdict(ours.mean, half, 0.9010, 0.8990) == UNDECIDED
    few = estimate([0.9])
    assert verdict(few.mean, half_width(few), 0.9, 0.5) == UNDECIDED
    alike = estimate([0.9, 0.9, 0.9])
    assert math.isnan(half_width(alike)), "equal scores show nothing about spread"


def test_what_was_spent_on_choosing_and_on_the_test_split_widens_the_interval() -> None:
    """By hand: t of 3 degrees of freedom is 3.182; 637 examples at 0.9 have a variance of 0.000141."""
    ours = estimate(np.array([-1.0, -1, 0, 1, 1]) * 0.001 + 0.90)
    assert half_width(ours, runs=5, spent=1) == pytest.approx(3.1824 * 0.001 * math.sqrt(0.4), rel=1e-4)
    assert math.isnan(half_width(ours, spent=4))
    assert math.isnan(half_width(ours, spent=math.inf))
    error = 2 * variance_of_accuracy(0.9, 637)
    assert error == pytest.approx(2 * 0.09 / 637)
    wide = half_width(ours, runs=5, test_error=error)
    assert wide == pytest.approx(math.hypot(0.001756, 1.95996 * math.sqrt(error)), rel=1e-4)
    unpaired = half_width(ours, runs=5, theirs=0.01)
    assert unpaired == pytest.approx(2.7764 * math.sqrt(1e-6 / 5 + 1e-4 / 5), rel=1e-4)


@pytest.mark.parametrize(("f1", "accuracy"), [(0.79, 0.84), (0.813, 0.871), (0.5, 0.6), (0.95, 0.97)])
def test_the_variance_of_f1_is_that_of_drawn_confusion_matrices(f1: float, accuracy: float) -> None:
    examples, rng = 637, np.random.default_rng(0)
    drawn = [_drawn_f1(rng, f1, accuracy, examples) for _ in range(20_000)]
    assert variance_of_f1(f1, accuracy, examples) == pytest.approx(np.var(drawn), rel=0.1)
    assert variance_of_f1(1.0, 1.0, examples) == 0


def _drawn_f1(rng: np.random.Generator, f1: float, accuracy: float, examples: int) -> float:
    """The F1 of a drawn confusion matrix, half of whose errors are false positives."""
    errors = 1 - accuracy
    hits = f1 * errors / (2 * (1 - f1))
    true, wrong, _ = rng.multinomial(examples, [hits, errors, 1 - hits - errors])
    return float(2 * true / (2 * true + wrong))


def _drawn(rng: np.random.Generator, cell: Cell, value: float, accuracy: float) -> float:
    """What a true value becomes on one draw of the test examples."""
    examples = DRAWN.get(str(cell.row["workload"]), 0) if cell.row["paper"] == "dropattack" else 0
    if not examples:
        return value
    if cell.column == "test_f1":
        return _drawn_f1(rng, value, accuracy, examples)
    return rng.binomial(examples, value) / examples


def _worlds(paper: str, table: str, seeds: int, worlds: int, sd: float) -> Iterator[str]:
    """Verdicts on numbers and gains of a table where the paper's training is reproduced perfectly.

    Both sides share the true value, and have seeds and, where the paper drew its split, test examples of
    their own.
    """
    rng = np.random.default_rng(len(table) + seeds)
    cells, scored, sizes = _reproduced(paper, table, seeds)
    for _ in range(worlds):
        for i, cell in cells.items():
            own, value = scored[i], cell.row["value"] / 100
            truth = cell.beside[0]
            base = truth if truth == truth else value
            runs = cell.row.get("runs", math.nan)
            spread = sd / math.sqrt(runs if runs == runs else 1)
            accuracy = 0.5 + value / 2
            ours, theirs, our_base, their_base = (
                _drawn(rng, cell, true, accuracy) for true in (value, value, base, base)
            )
            score, baseline = ours + rng.normal(0, sd, seeds), our_base + rng.normal(0, sd, seeds)
            gain = np.where(own["is_baseline"], np.nan, score - baseline)
            printed = {"value": 100 * (theirs + rng.normal(0, spread))}
            beside = (their_base + rng.normal(0, spread) if truth == truth else truth, cell.beside[1])
            moved = dataclasses.replace(cell, row={**cell.row, **printed}, beside=beside)
            found = judged(
                moved, own.assign(score=score, baseline=baseline, gain=gain, test_accuracy=accuracy), sizes
            )
            yield found["verdict"]
            if "gain_verdict" in found:
                yield found["gain_verdict"]


def _reproduced(
    paper: str, table: str, seeds: int
) -> tuple[dict[int, Cell], dict[int, pd.DataFrame], pd.Series]:
    """A table's cells and scores, from records of the paper's own settings."""
    from tests.search.printed import records_of

    sweeps = {"apb": "apb-figure2", "dropen": "dropen-table1"}
    name = sweeps.get(paper, f"table{table}")
    records, cells = matched(
        records_of(name, published.load(paper), noise=0.003, changes={"seeds": [*range(seeds)]})
    )
    own = {i: cell for i, cell in enumerate(cells) if cell.row["paper"] == paper}
    own = {i: cell for i, cell in own.items() if cell.row["table"].startswith(table)}
    return own, scores(records, cells), train_sizes(records)


def _false(verdicts: Iterator[str]) -> float:
    told = list(verdicts)
    assert len(told) > 200
    return float(np.mean([text == DIFFERS for text in told]))


def test_a_perfect_reproduction_of_pheme_is_rarely_called_different() -> None:
    """Without the error of the test split 53 % were.

    Of few worlds the share is uncertain by two or three points; the slow test below holds 7 % with many.
    """
    assert _false(_worlds("dropattack", "6", 5, 5, 0.003)) <= 0.12


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("paper", "table"), TABLES)
def test_perfect_reproductions_of_every_table_are_rarely_called_different(
    paper: str, table: str, seeds: int
) -> None:
    """The published numbers are true, and whoever trains as their authors did agrees with 93 % of them."""
    assert _false(_worlds(paper, table, seeds, 60, 0.003)) <= 0.07
