"""Models of one structure with stacked parameters: one pass computes all of them, each in its lane."""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.modules.dropout import _DropoutNd

from dropattack.errors import UsageError
from dropattack.targets.lookups import told
from dropattack.task import Inputs, Loss, Task
from trainables.lanes.forward import stacked_forward
from trainables.lanes.lookups import Lookups

Tensors = dict[str, Tensor]
PIXELS = ""
"""Key of the batch itself among the tensors to differentiate by; no parameter has an empty name."""


class Stack:
    """The parameters and buffers of several models, stacked.

    Args:
        models: Modules of one structure on one device; they are copied, not changed.

    Attributes:
        parameters: By name, ``[lanes, …]``.
        buffers: By name, ``[lanes, …]``; a pass in training mode updates them.
        module: The structure without its values, on the device ``meta``; its mode is the stack's.
        embedding: Name of the only embedding matrix, in which the first input looks rows up; empty if there
            is none.

    Raises:
        UsageError: The models differ in structure, or a lane could not do what the model does alone.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        shapes = [{name: p.shape for name, p in model.named_parameters()} for model in models]
        if any(type(model) is not type(models[0]) for model in models) or shapes.count(shapes[0]) < len(
            models
        ):
            raise UsageError("lanes must be models of one structure; stack those that differ apart")
        if not all(p.requires_grad for p in models[0].parameters()):
            raise UsageError("a model with frozen parameters cannot be a lane; train it alone")
        if any(m.p for m in models[0].modules() if isinstance(m, _DropoutNd)):
            raise UsageError("a lane's model cannot have dropout; set it to 0, or train it alone")
        recurrent = next((m for m in models[0].modules() if isinstance(m, nn.RNNBase)), None)
        if recurrent is not None and stacked_forward(models[0]) is None:
            raise UsageError(
                f"nn.{type(recurrent).__name__} has no batching rule: give the model a forward_stacked, "
                "or train its trials in several processes on one GPU"
            )
        parameters, buffers = stack_module_state(list(models))
        self.parameters: Tensors = {name: value.detach() for name, value in parameters.items()}
        self.buffers: Tensors = {name: value.detach() for name, value in buffers.items()}
        self.module = copy.deepcopy(models[0]).to("meta")
        self.embedding = _embedding(models[0])

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def forward(self, parameters: Mapping[str, Tensor], inputs: Inputs, shared: bool = False) -> Any:
        """Outputs ``[lanes, batch, …]`` at any stacked parameters.

        Args:
            parameters: By name, ``[lanes, …]``.
            inputs: With a leading dimension of lanes, or with ``shared`` one batch for all lanes.
            shared: See ``inputs``.
        """
        several = inputs if isinstance(inputs, tuple) else (inputs,)
        stacked = stacked_forward(self.module)
        if stacked is not None:
            if shared:
                several = tuple(part.expand(len(self), *part.shape) for part in several)
            return stacked(parameters, *several)

        def one(parameters: Tensors, buffers: Tensors, *inputs: Tensor) -> Any:
            return functional_call(self.module, (parameters, buffers), inputs)

        dims = (0, 0, *[None if shared else 0] * len(several))
        return vmap(one, in_dims=dims)(dict(parameters), self.buffers, *several)

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts the stack to these lanes, in this order."""
        kept = torch.tensor(lanes, device=next(iter(self.parameters.values())).device)
        for values in (self.parameters, self.buffers):
            for name, value in values.items():
                values[name] = value.index_select(0, kept)

    @torch.no_grad()
    def copy_to(self, lane: int, model: nn.Module) -> None:
        """Copies one lane's parameters and buffers to a module of its own."""
        for name, parameter in model.named_parameters():
            parameter.copy_(self.parameters[name][lane])
        for name, buffer in model.named_buffers():
            buffer.copy_(self.buffers[name][lane])


class Passes:
    """The forward-backward passes of all lanes over one batch each, and the gradients gathered from them.

    No operation mixes lanes, so a lane whose loss is not a number does not affect the others.

    Args:
        stack: The models.
        inputs: Each with a leading dimension of lanes: ``[lanes, batch, …]``.
        labels: ``[lanes, batch]``.
        task: Its loss, type of mixed precision and words apply; its names and generator do not.

    Attributes:
        values: Tensors that can be perturbed, by parameter name, ``[lanes, …]``; of an embedding matrix the
            rows that the batch looks up, and under `PIXELS` the batch if it holds floating-point numbers.
        embedding: Name of the matrix whose rows are looked up; empty for a model without one.
        lookups: The choice of these rows; ``None`` for a model without one.
    """

    def __init__(self, stack: Stack, inputs: Inputs, labels: Tensor, task: Task) -> None:
        self._stack, self._labels = stack, labels
        self.embedding = stack.embedding
        self._loss: Loss = task.loss
        self._autocast = task.autocast
        self.values: Tensors = dict(stack.parameters)
        self.lookups: Lookups | None = None
        self._rest: tuple[Tensor, ...] = ()
        if stack.embedding:
            tokens, *rest = inputs if isinstance(inputs, tuple) else (inputs,)
            self.lookups = Lookups(tokens, rest[0] if rest else None, _words(task, (tokens, *rest)))
            self.values[stack.embedding] = self.lookups.rows(stack.parameters[stack.embedding])
            self._rest = (self.lookups.positions, *rest)
        else:
            assert isinstance(inputs, Tensor)
            self.values[PIXELS] = inputs
        self._gathered: Tensors = {}

    def run(
        self, shifts: Mapping[str, Tensor], weight: float, watched: Collection[str] = ()
    ) -> tuple[Tensor, Any, Tensors]:
        """Runs one pass of every lane at ``values`` + ``shifts``, and gathers ``weight`` times its gradients.

        Args:
            shifts: Perturbations by name, shaped as the values.
            weight: Factor of the loss's gradient by the parameters; with 0 only the watched ones are
                computed.
            watched: Names of the values whose gradients, of the unweighted loss, to return.

        Returns:
            Losses ``[lanes]``, outputs ``[lanes, batch, …]`` and the watched gradients.

        Raises:
            UsageError: The loss does not depend on a parameter.
        """
        point = {name: v + shifts[name] if name in shifts else v for name, v in self.values.items()}
        wanted = [n for n in point if n in watched or (weight != 0 and n != PIXELS)]
        point |= {name: point[name].detach().requires_grad_() for name in wanted}
        dtype = self._autocast
        with torch.autocast(self._labels.device.type, dtype, enabled=dtype is not None, cache_enabled=False):
            parameters = {name: value for name, value in point.items() if name != PIXELS}
            outputs = self._stack.forward(parameters, self._rest or point[PIXELS])
            losses = vmap(self._loss)(outputs, self._labels)
        found = torch.autograd.grad(losses.sum(), [point[name] for name in wanted], allow_unused=True)
        gradients: Tensors = {}
        for name, gradient in zip(wanted, found, strict=True):
            if gradient is None:
                raise UsageError(
                    f"{name or 'the input'!r} takes no part in the loss; train such a model alone"
                )
            gradients[name] = gradient
        if weight != 0:
            self._gather({n: g for n, g in gradients.items() if n != PIXELS}, weight)
        return losses.detach(), outputs.detach(), {name: gradients[name] for name in watched}

    def _gather(self, gradients: Tensors, weight: float) -> None:
        """Adds out of place: autograd may return one tensor for several parameters, such as added biases."""
        fresh, gathered = list(gradients.values()), tuple(self._gathered.values())
        if gathered:
            fresh = list(torch._foreach_add(gathered, fresh, alpha=weight))
        elif weight != 1:
            fresh = list(torch._foreach_mul(fresh, weight))
        self._gathered = dict(zip(gradients, fresh, strict=True))

    def gradients(self) -> Tensors:
        """The gathered gradients, by parameter name and shaped as the parameters; not to change in place."""
        gathered, name = dict(self._gathered), self._stack.embedding
        if self.lookups is not None:
            matrix = torch.zeros_like(self._stack.parameters[name])
            gathered[name] = self.lookups.scatter(gathered[name], matrix)
        return gathered


def _words(task: Task, inputs: tuple[Tensor, ...]) -> Tensor | None:
    """Which tokens are words, ``[lanes, batch, length]``, asked once for all lanes' batches."""
    if task.words is None:
        return None
    together = tuple(part.flatten(0, 1) for part in inputs)
    words = told(task.words, together if len(together) > 1 else together[0], together[0])
    return words.view_as(inputs[0])


def _embedding(model: nn.Module) -> str:
    """The name of the only embedding's matrix; see `Stack.embedding`."""
    found = {
        f"{path}.weight".lstrip("."): m for path, m in model.named_modules() if isinstance(m, nn.Embedding)
    }
    if not found:
        return ""
    (name, module), *more = found.items()
    plain = module.padding_idx is None and module.max_norm is None and not module.sparse
    owners = sum(module.weight is p for _, p in model.named_parameters(remove_duplicate=False))
    if more or not plain or owners > 1:
        raise UsageError(
            "a lane's model may have one embedding, untied, dense and without padding_idx; train it alone"
        )
    return name
