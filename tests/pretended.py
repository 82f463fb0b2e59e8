"""A device that is not there: tensors that compute on the CPU and say that they are elsewhere.

What only a GPU would refuse shows here: tensors or generators of two devices in one operation. What only a
GPU would make slow is counted: how often the host waits for the device.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch.optim import adam, optimizer, sgd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

AWAY = torch.device("meta")
"""The name it goes by; torch knows no generator, fused kernel or autocast of that name, until `pretended`."""

_ROOT = Path(__file__).parents[1]
_MAY_MIX = ("index", "index_put", "index_put_", "_index_put_impl_", "copy_", "_to_copy")
_MAY_MIX += ("_pack_padded_sequence", "_pack_padded_sequence_backward", "_pad_packed_sequence", "lstm", "gru")
_WAIT = ("_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "unique_consecutive", "masked_select")
_WAIT += ("equal", "is_nonzero", "bincount", "repeat_interleave")


class Elsewhere(torch.Tensor):
    """A tensor on `AWAY`, whose numbers are in another one on the CPU."""

    inner: torch.Tensor
    watch: "Watch | None" = None

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Elsewhere":
        with torch.inference_mode(False):  # torch gives views of such tensors a version, which others lack
            made = torch.Tensor._make_wrapper_subclass(
                cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=AWAY
            )
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert cls.watch is not None, "the device is only there while it is pretended"
        return cls.watch.run(func, args, kwargs or {})

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def tolist(self) -> Any:
        assert self.watch is not None
        self.watch.waits[f"tolist at {_where()}"] += 1
        return self.inner.tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.Tensor:
        copied: torch.Tensor = Elsewhere(self.inner.clone())
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied
        return copied


class Generator(torch.Generator):
    """A generator for a device, which torch's own could only be for devices that are there.

    Operations are handed another object of the same generator, so that it is known by its seed.
    """

    seeds: ClassVar[dict[int, bool]] = {}
    """By seed, whether its generator was made for `AWAY`."""

    def __new__(cls, device: Any = "cpu") -> "Generator":
        made = super().__new__(cls)
        made.away = torch.device(device) == AWAY
        return made

    def __init__(self, device: Any = "cpu") -> None:
        pass

    def manual_seed(self, seed: int) -> "Generator":
        self.seeds[seed] = self.away
        super().manual_seed(seed)
        return self


class Watch(TorchDispatchMode):
    """Runs every operation on the CPU, and notes what the device would not have done, or not at once.

    Attributes:
        faults: Mixtures of devices or generators, with the line that made them.
        waits: How often the host waited for the device, by operation and line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = func._schema.name.split("::")[1]
        leaves = tree_leaves((args, kwargs))
        away = [leaf for leaf in leaves if isinstance(leaf, Elsewhere)]
        here = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Elsewhere)]
        asked = kwargs.get("device")
        target = None if asked is None else torch.device(asked)
        self._note(name, leaves, away, here, target, args, kwargs)
        if target == AWAY:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        inside = tree_map_only(Elsewhere, lambda tensor: tensor.inner, (args, kwargs))
        found = func(*inside[0], **inside[1])
        if name == "_to_copy" and target is not None and target != AWAY:
            return found.clone() if away else found
        if not away and target != AWAY:
            return found
        known = {id(tensor.inner): tensor for tensor in away}

        def wrapped(tensor: torch.Tensor) -> torch.Tensor:
            return known[id(tensor)] if id(tensor) in known else Elsewhere(tensor)

        if name == "_pack_padded_sequence":  # the sizes stay on the CPU
            return wrapped(found[0]), found[1]
        return tree_map_only(torch.Tensor, wrapped, found)

    def _note(
        self, name: str, leaves: Any, away: Any, here: Any, target: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        on_device = bool(away) or target == AWAY
        for generator in (leaf for leaf in leaves if isinstance(leaf, Generator.__base__)):
            if Generator.seeds.get(generator.initial_seed(), False) != on_device:
                self.faults[f"{name} draws from another device's generator at {_where()}"] += 1
        if away and name not in _MAY_MIX and any(tensor.dim() for tensor in here):
            self.faults[f"{name} mixes devices at {_where()}"] += 1
        index = [leaf for leaf in tree_leaves(args[1:2]) if isinstance(leaf, torch.Tensor)]
        copied = name == "copy_" and isinstance(args[0], Elsewhere) != isinstance(args[1], Elsewhere)
        moved = name == "_to_copy" and target is not None and bool(away) != (target == AWAY)
        by_flags = name.startswith(("index", "_index_put")) and any(i.dtype == torch.bool for i in index)
        by_host = name.startswith(("index", "_index_put")) and not all(
            isinstance(i, Elsewhere) for i in index
        )
        if (away and (name in _WAIT or by_flags or by_host)) or (
            (copied or moved) and not (kwargs.get("non_blocking") or args[2:3] == (True,))
        ):
            self.waits[f"{name} at {_where()}"] += 1


def _where() -> str:
    """The line of this project that an operation comes from."""
    own = [
        frame
        for frame in traceback.extract_stack()
        if Path(frame.filename).is_relative_to(_ROOT) and frame.filename != __file__
    ]
    return f"{Path(own[-1].filename).relative_to(_ROOT)}:{own[-1].lineno}" if own else "?"


@contextmanager
def pretended() -> Iterator[Watch]:
    """A time in which the device is there, and what it noted."""
    tensor = torch.tensor

    def made(data: Any, *, device: Any = None, **options: Any) -> torch.Tensor:
        found = tensor(data, **options)
        away = device is not None and torch.device(device) == AWAY
        return found.to(AWAY) if away else found

    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "tensor", made)
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        patch.setattr(torch, "is_autocast_enabled", lambda *_: False)
        for module in (adam, optimizer, sgd):
            if hasattr(module, "_get_fused_kernels_supported_devices"):
                patch.setattr(module, "_get_fused_kernels_supported_devices", lambda: ["cpu", AWAY.type])
        patch.setattr(Elsewhere, "watch", watch)
        with watch:
            yield watch
