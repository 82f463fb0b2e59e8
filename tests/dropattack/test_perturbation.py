"""Perturbations at the edge of what numbers can hold."""

import pytest
import torch

from dropattack.perturbation import norm, scaled


@pytest.mark.parametrize("size", [1e-36, 1e-30, 1e-23, 1.0, 1e20, 1e30])
def test_rows_of_any_finite_gradient_have_a_direction(size: float) -> None:
    gradient = torch.full((3, 1, 5, 5), size)
    length = norm(gradient, "row")
    torch.testing.assert_close(length, torch.full((3, 1, 1, 1), 5 * size))
    perturbation, skipped = scaled(gradient, 8.0, length)
    torch.testing.assert_close(perturbation, torch.full((3, 1, 5, 5), 8 / 5))
    assert skipped == 0


def test_rows_without_a_direction_are_left_out() -> None:
    gradient = torch.stack(
        [torch.zeros(4), torch.full((4,), torch.inf), torch.full((4,), torch.nan), torch.ones(4)]
    )
    perturbation, skipped = scaled(gradient, 2.0, norm(gradient, "row"))
    assert perturbation.tolist() == [[0] * 4, [0] * 4, [0] * 4, [1] * 4]
    assert skipped == 0.75
