"""Grids of attacks: how they are spelled, and what their metrics are called."""

import pytest

from dropattack import UsageError
from dropattack.robustness import Attack, Case, canonical_grid, parse_grid


@pytest.mark.parametrize(
    "name",
    [
        *["fgsm", "fgm", "pgd-4", "pgd-l2-4", "pgd-3x2", "pgd-l2-20x5", "margin", "margin-4", "margin-l2-3"],
        *["noise-3", "noise-l2-3", "square-6"],
    ],
)
@pytest.mark.parametrize("epsilon", [0.3, 2.0, 1e-05])
@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("examples", [0, 500])
def test_a_metrics_name_tells_its_case(name, epsilon, transfer, examples):
    case = Case(Attack.parse(name), epsilon, transfer, examples)
    assert Case.of_metric(f"test_{case.metric}") == Case.parse(case.name, epsilon) == case


@pytest.mark.parametrize(
    "text",
    [
        *["fgsm", "fgsm:", "fgsm:0", "fgsm:-1", "fgsm:x", "fgsm:nan", "fgsm:.1+", "pgd:.1"],
        *["fgsm-of:.1", "fgsm-of-0:.1", "fgsm-of--5:.1", "fgsm-of-1e3:.1", "of-5:.1", "fgsm-of-5-of-5:.1"],
    ],
)
def test_grids_that_are_none_are_refused(text):
    with pytest.raises(UsageError):
        parse_grid(text)


def test_equal_grids_have_one_spelling():
    one = canonical_grid(" pgd-100:0.30+fgsm:.3,0.1,.1+ pgd-20:1e-1 + fgsm:0.2")
    assert one == "fgsm:0.1,0.2,0.3+pgd-20:0.1+pgd-100:0.3"
    assert canonical_grid(one) == one
    assert canonical_grid("  ") == ""
    parts = "fgsm-of-50:.3,.2+ fgsm:.1+fgsm-of-50:.4+transfer-pgd-3-of-9:1"
    assert canonical_grid(parts) == "fgsm:0.1+fgsm-of-50:0.2,0.3,0.4+transfer-pgd-3-of-9:1"


@pytest.mark.parametrize("column", ["test_accuracy", "valid_loss", "test_recall_0", "test_nope_0.1_accuracy"])
def test_other_metrics_are_no_cases(column):
    assert Case.of_metric(column) is None
