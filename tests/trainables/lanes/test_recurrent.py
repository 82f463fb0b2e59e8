"""Recurrent layers of stacked models, against each model's own."""

import pytest
import torch
from torch import nn
from torch.func import stack_module_state

from trainables.lanes.recurrent import look_up, read_stacked
from trainables.models.reading import ReadingGRU, ReadingLSTM

LANES, BATCH, LONGEST = 3, 4, 6


@pytest.mark.parametrize("kind", [ReadingLSTM, ReadingGRU])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
def test_stacked_layers_are_each_models_own(
    kind: type[ReadingLSTM | ReadingGRU], layers: int, bidirectional: bool
) -> None:
    models = [
        nn.ModuleDict({"rnn": kind(5, 7, num_layers=layers, bidirectional=bidirectional, batch_first=True)})
        for _ in range(LANES)
    ]
    for model in models:
        model.double()
    texts = torch.randn(LANES, BATCH, LONGEST, 5, dtype=torch.float64)
    lengths = torch.tensor([[6, 4, 1, 2], [5, 5, 3, 1], [2, 6, 1, 6]])
    parameters, _ = stack_module_state(models)
    states, final = read_stacked(models[0]["rnn"], parameters, "rnn", texts, lengths)
    for lane, model in enumerate(models):
        expected_states, expected_final = model["rnn"](texts[lane], lengths[lane])
        torch.testing.assert_close(final[lane], expected_final)
        for text, length in enumerate(lengths[lane].tolist()):
            torch.testing.assert_close(states[lane, text, :length], expected_states[text, :length])


def test_look_up_takes_each_lane_to_its_own_matrix() -> None:
    matrices = torch.arange(12.0).view(2, 3, 2)
    found = look_up(matrices, torch.tensor([[[0, 2]], [[1, 1]]]))
    assert found.tolist() == [[[[0, 1], [4, 5]]], [[[8, 9], [8, 9]]]]
