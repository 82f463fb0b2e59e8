"""Adam for stacked parameters: torch's own, called once for all lanes that share a learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from dropattack.errors import UsageError
from trainables.lanes.stack import Stack

_SHARED = ("betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "fused")


@dataclass
class _Run:
    """Adjacent lanes of one learning rate and one number of updates; tensors are views of the stack's."""

    lanes: slice
    rate: float
    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


class StackedAdam:
    """Updates each lane as `torch.optim.Adam` would update it alone.

    Adam works element by element, so a call over stacked tensors equals a call for each lane. Only the
    learning rate and the number of updates so far differ between lanes. Adjacent lanes that share both share
    the call, so order lanes by learning rate.

    Args:
        stack: Its parameters are updated in place.
        optimizers: One for each lane over the parameters of the lane's own model, in the model's order,
            fresh or after some updates; they are read, not changed.

    Raises:
        UsageError: The optimizers differ in more than the learning rate, or are not plain Adam.
    """

    def __init__(self, stack: Stack, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        groups = [optimizer.param_groups for optimizer in optimizers]
        if any(len(group) != 1 for group in groups) or groups[0][0]["amsgrad"]:
            raise UsageError("a lane's optimizer is Adam over one group of parameters, without amsgrad")
        self._options = {name: groups[0][0][name] for name in _SHARED}
        if any({name: group[name] for name in _SHARED} != self._options for (group,) in groups):
            raise UsageError("the optimizers of a stack's lanes may differ in their learning rates only")
        self._stack = stack
        self._rates = [float(group["lr"]) for (group,) in groups]
        states = [[o.state.get(p, {}) for p in o.param_groups[0]["params"]] for o in optimizers]
        self._counts = [int(state[0].get("step", 0)) for state in states]
        self._means, self._squares = (
            {
                parameter: torch.stack(
                    [
                        state[index].get(name, torch.zeros_like(value[lane]))
                        for lane, state in enumerate(states)
                    ]
                )
                for index, (parameter, value) in enumerate(stack.parameters.items())
            }
            for name in ("exp_avg", "exp_avg_sq")
        )
        self._runs = self._make_runs()

    def _make_runs(self) -> list[_Run]:
        lanes = range(len(self._rates))
        device = next(iter(self._stack.parameters.values())).device
        runs = []
        for (rate, count), group in groupby(lanes, lambda lane: (self._rates[lane], self._counts[lane])):
            members = list(group)
            part = slice(members[0], members[-1] + 1)
            parameters, means, squares = (
                [value[part] for value in values.values()]
                for values in (self._stack.parameters, self._means, self._squares)
            )
            steps = [self._step(count, device) for _ in self._stack.parameters]
            runs.append(_Run(part, rate, parameters, means, squares, steps))
        return runs

    def _step(self, count: int, device: torch.device) -> Tensor:
        """The number of updates in Adam's form: on the device only if it is fused."""
        return torch.tensor(float(count), device=device if self._options["fused"] else "cpu")

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor], skipped: Sequence[int] = ()) -> None:
        """Updates every lane.

        Args:
            gradients: By parameter name, ``[lanes, …]``.
            skipped: Lanes that stay as they are, their number of updates included.
        """
        options = self._options
        states = (self._stack.parameters, self._means, self._squares)
        lanes = list(skipped)
        kept = [(value, value[lanes]) for state in states for value in state.values()] if lanes else []
        for run in self._runs:
            adam(
                run.parameters,
                # The fused kernel assumes that all tensors have the same order in memory.
                [gradients[name][run.lanes].contiguous() for name in self._stack.parameters],
                run.means,
                run.squares,
                [],
                run.steps,
                foreach=options["foreach"],
                fused=options["fused"],
                amsgrad=False,
                beta1=options["betas"][0],
                beta2=options["betas"][1],
                lr=run.rate,
                weight_decay=options["weight_decay"],
                eps=options["eps"],
                maximize=options["maximize"],
            )
        for value, before in kept:
            value[lanes] = before
        self._counts = [count + (lane not in lanes) for lane, count in enumerate(self._counts)]
        if lanes:
            self._runs = self._make_runs()

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts to these lanes, in this order; the stack has been compacted already."""
        self._rates = [self._rates[lane] for lane in lanes]
        self._counts = [self._counts[lane] for lane in lanes]
        kept = torch.tensor(lanes, device=next(iter(self._means.values())).device)
        for values in (self._means, self._squares):
            for name, value in values.items():
                values[name] = value.index_select(0, kept)
        self._runs = self._make_runs()

    def copy_to(self, lane: int, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Gives one lane's state to an optimizer of its own, over the parameters of ``model``."""
        if self._counts[lane]:
            for name, parameter in model.named_parameters():
                optimizer.state[parameter] = {
                    "step": self._step(self._counts[lane], parameter.device),
                    "exp_avg": self._means[name][lane].clone(),
                    "exp_avg_sq": self._squares[name][lane].clone(),
                }
