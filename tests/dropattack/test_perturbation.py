"""Perturbations at the edge of what numbers can hold."""

import pytest
import torch

from dropattack.perturbation import norm, scaled, scaled_together, sign_step


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_signs_leave_out_what_is_not_finite_and_nothing_else(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    whole = torch.tensor([largest, largest, -1.0, 0.0], dtype=dtype)
    for gradient, kept in (
        (whole, [0.5, 0.5, -0.5, 0.0]),
        (torch.tensor([torch.inf, -torch.inf, 1.0, 2.0], dtype=dtype), [0.0, 0.0, 0.5, 0.5]),
        (torch.tensor([torch.nan, -3.0, -torch.inf, 0.0], dtype=dtype), [0.0, -0.5, 0.0, 0.0]),
        (torch.tensor([4.0, -3.0, 0.0, 1e-7], dtype=dtype), [0.5, -0.5, 0.0, 0.5]),
    ):
        step, share = sign_step(gradient, 0.5)
        assert step.tolist() == kept
        assert share == (~gradient.isfinite()).sum() / 4
        assert step.dtype == share.dtype == dtype


@pytest.mark.parametrize("size", [1e-15, 1.0, 1e15])
def test_tensors_together_have_one_length(size: float) -> None:
    """3-4-12-13 triangles: the norms of both tensors, 5 and 12, make 13."""
    directions = [size * torch.tensor([[3.0], [4.0]]), size * torch.tensor([12.0])]
    (one, other), skipped = scaled_together(directions, 26.0)
    torch.testing.assert_close(one, torch.tensor([[6.0], [8.0]]))
    torch.testing.assert_close(other, torch.tensor([24.0]))
    assert skipped == 0


@pytest.mark.parametrize("broken", [0.0, torch.inf, torch.nan])
def test_tensors_without_a_direction_together_are_all_left_out(broken: float) -> None:
    rest = torch.ones(2) if broken else torch.zeros(2)
    results, skipped = scaled_together([torch.tensor([broken, broken]), rest], 1.0)
    assert [result.tolist() for result in results] == [[0, 0], [0, 0]]
    assert skipped == 1
