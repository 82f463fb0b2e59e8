"""Layers for the stacked parameters of many models, where PyTorch has no rule for batching its own.

`torch.func.vmap` refuses `nn.LSTM` and `nn.GRU` ("batching rule not implemented for aten::lstm.input"), and
cannot pack sequences, whose lengths it would have to read. Here their equations are written out, with one
batched matrix product for the inputs of all time steps and one for each step's states.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def look_up(matrices: Tensor, tokens: Tensor) -> Tensor:
    """Each lane's rows of its own matrix.

    Args:
        matrices: ``[lanes, rows, width]``.
        tokens: Row numbers, ``[lanes, batch, length]``.

    Returns:
        ``[lanes, batch, length, width]``.
    """
    first = matrices.shape[1] * torch.arange(len(matrices), device=tokens.device)
    return F.embedding(tokens + first[:, None, None], matrices.flatten(0, 1))


def linear(parameters: Mapping[str, Tensor], layer: str, inputs: Tensor) -> Tensor:
    """Each lane's fully connected layer, ``[lanes, n, in]`` to ``[lanes, n, out]``."""
    weight, bias = parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]
    return torch.baddbmm(bias[:, None], inputs, weight.mT)


def read_stacked(
    rnn: nn.LSTM | nn.GRU, parameters: Mapping[str, Tensor], name: str, texts: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Computes a layer of `trainables.models.reading` for every lane.

    As in a trial alone, it runs outside of autocast; see `dropattack.modes.mixed_precision`.

    Args:
        rnn: The structure; its own values are not used.
        parameters: Of the whole model, by name, ``[lanes, …]``.
        name: Name of the recurrent layers in the model.
        texts: Vectors ``[lanes, batch, longest, width]``.
        lengths: ``[lanes, batch]``, at least 1.

    Returns:
        The last layer's states ``[lanes, batch, longest, directions · hidden]``, without meaning behind a
        text's end, and its final states ``[lanes, batch, directions · hidden]``.
    """
    with torch.autocast(texts.device.type, enabled=False):
        return _read(rnn, parameters, name, texts.to(parameters[f"{name}.weight_hh_l0"].dtype), lengths)


def _read(
    rnn: nn.LSTM | nn.GRU, parameters: Mapping[str, Tensor], name: str, texts: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    lengths = lengths.to(texts.device, non_blocking=True)
    last = lengths[..., None] - 1
    steps = torch.arange(texts.shape[2], device=texts.device)
    mirrored = last - steps
    mirrored = torch.where(mirrored < 0, steps, mirrored)
    states = texts
    for layer in range(rnn.num_layers):
        directions = [_one_direction(rnn, parameters, f"{name}.{{}}_l{layer}", states)]
        finals = [_at(directions[0], lengths[..., None] - 1)]
        if rnn.bidirectional:
            backwards = _one_direction(
                rnn, parameters, f"{name}.{{}}_l{layer}_reverse", _at(states, mirrored)
            )
            directions.append(_at(backwards, mirrored))
            finals.append(_at(backwards, lengths[..., None] - 1))
        states = torch.cat(directions, dim=3)
    return states, torch.cat(finals, dim=3).squeeze(2)


def _at(states: Tensor, steps: Tensor) -> Tensor:
    """The states ``[lanes, batch, chosen, hidden]`` at ``[lanes, batch, chosen]`` time steps."""
    return states.gather(2, steps[..., None].expand(*steps.shape, states.shape[3]))


def _one_direction(
    rnn: nn.LSTM | nn.GRU, parameters: Mapping[str, Tensor], name: str, texts: Tensor
) -> Tensor:
    """The states ``[lanes, batch, longest, hidden]`` of one layer that reads forwards."""
    inner, outer, inner_bias, outer_bias = (
        parameters[name.format(part)] for part in ("weight_hh", "weight_ih", "bias_hh", "bias_ih")
    )
    lanes, batch, longest, _ = texts.shape
    inputs = texts.transpose(1, 2).flatten(1, 2)
    by_lstm = isinstance(rnn, nn.LSTM)
    bias = outer_bias + inner_bias if by_lstm else outer_bias
    gates = torch.baddbmm(bias[:, None], inputs, outer.mT).unflatten(1, (longest, batch)).unbind(1)
    state = texts.new_zeros(lanes, batch, rnn.hidden_size)
    cell, found = state, []
    for gate in gates:
        if by_lstm:
            state, cell = _lstm(torch.baddbmm(gate, state, inner.mT), cell)
        else:
            state = _gru(gate, torch.baddbmm(inner_bias[:, None], state, inner.mT), state)
        found.append(state)
    return torch.stack(found, dim=2)


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of Hochreiter and Schmidhuber's cell with a forget gate, in PyTorch's order of gates."""
    width = cell.shape[2]
    both, candidate, output = gates.split([2 * width, width, width], dim=2)
    enter, keep = both.sigmoid().chunk(2, dim=2)
    cell = keep * cell + enter * candidate.tanh()
    return output.sigmoid() * cell.tanh(), cell


def _gru(inputs: Tensor, states: Tensor, state: Tensor) -> Tensor:
    """One step of Cho et al.'s unit, with the reset gate after the matrix product as in PyTorch."""
    width = state.shape[2]
    from_inputs, new_inputs = inputs.split([2 * width, width], dim=2)
    from_states, new_states = states.split([2 * width, width], dim=2)
    reset, keep = (from_inputs + from_states).sigmoid().chunk(2, dim=2)
    candidate = (new_inputs + reset * new_states).tanh()
    return torch.lerp(candidate, state, keep)
