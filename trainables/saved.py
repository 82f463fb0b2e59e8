"""A sweep's trained models, loaded back as plain modules."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dropattack import UsageError
from trainables.architecture import Architecture
from trainables.code.standing import ChangedCodeWarning
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.tensors import DamagedError, load_whole
from trainables.trial import Trial
from trainables.usercode import changed_since, files_of
from trainables.workload import Workload
from trainables.workloads import workload_named, workloads

_PARTS = {"trial", "model", "metrics", "test", "confusion", "classes", "extras"}
"""What `Training.result` gives."""


_HELD = (Tensor, bool, int, float, str, bytes, type(None), torch.Size)


@dataclass(frozen=True)
class SavedModel:
    """A trained model and its origin.

    Attributes:
        model: The model at its best validation epoch, in eval mode, on the CPU. It takes images as floats in
            [0, 1], and texts as token ids and lengths.
        trial: The trial that trained it.
        metrics: Metrics of the epoch that was best on validation.
        test: Metrics on the test split.
        confusion: Counts on the test split, row = true class, column = predicted class; empty if the
            objective is no classification.
        right: ``[examples]``, bool: whether it recognises each example of the test split, in its order.
            ``None`` if the objective is no classification, or if an earlier version saved the model.
        extras: Values that encode inputs, such as the vocabulary's ``words`` of a text model.
        changed: A line that names the files of user code that differ from those that trained the model; empty
            if none does. The workload's code builds the model now, and the metrics are of the code before.
    """

    model: nn.Module
    trial: Trial
    metrics: Mapping[str, float]
    test: Mapping[str, float]
    confusion: Sequence[Sequence[int]]
    extras: Mapping[str, Any]
    right: Tensor | None = None
    changed: str = ""


def load_model(path: str | Path, workload: Workload | None = None) -> SavedModel:
    """Loads a model that a sweep saved. It runs no code that the file names.

    Args:
        path: ``STORE/sweeps/NAME/models/KEY.pt``, or the artifact of its MLflow run.
        workload: The workload that trained it; needed unless it ships or an installed package offers it.

    Returns:
        The model and its origin.

    Warns:
        ChangedCodeWarning: The user's code of the workload or the method differs from what trained the model.

    Raises:
        UsageError: There is no such file, it holds something else, its workload builds another model now, or
            ``workload`` is missing.

    Examples:
        >>> model = load_model("runs/sweeps/demo/models/1f0c….pt").model  # doctest: +SKIP
    """
    saved, trial = _content(path)
    whose = workload
    if whose is None:
        if trial.workload not in workloads():
            raise UsageError(
                f"{path} was trained by {trial.workload!r}, whose code a file alone cannot import; load the "
                "model with load_model(path, workload=…) and that workload"
            )
        whose = workload_named(trial.workload)
    elif whose.name in workloads() and whose.name != trial.workload:
        raise UsageError(f"{path} was trained by {trial.workload!r}, and not by {whose.name!r}")
    nothing = ImageSplit(torch.empty(0, 1, 1, 1, dtype=torch.uint8), torch.empty(0, dtype=torch.long))
    data = Data(nothing, nothing, nothing, saved["classes"], trial.checksum, extras=saved["extras"])
    other = UsageError(f"{path} does not hold the parameters that {whose.name or 'this workload'} has now")
    architecture = whose.model_settings(trial.model, trial.data)
    if workload is None and not _fits(architecture, data, saved["model"]):
        raise other
    model = architecture.build(data)
    try:
        model.load_state_dict(saved["model"])
    except (RuntimeError, TypeError) as error:
        raise other from error
    changed = _changed(changed_since(trial.code, whose))
    if changed:
        warnings.warn(changed, ChangedCodeWarning, stacklevel=2)
    return SavedModel(
        model=model.eval(),
        trial=trial,
        **{name: saved[name] for name in ("metrics", "test", "confusion", "extras")},
        right=saved.get("right"),
        changed=changed,
    )


def _changed(modules: Sequence[str]) -> str:
    """See `SavedModel.changed`."""
    differ = "differs" if len(modules) == 1 else "differ"
    told = "from the code that trained and measured the model; what it predicts now may differ too"
    return f"{files_of(modules)} {differ} {told}" if modules else ""


def recognised(path: str | Path) -> Tensor | None:
    """Reads which examples of the test split a saved model recognises, without building the model.

    Args:
        path: See `load_model`.

    Returns:
        ``[examples]``, bool, in the split's order; ``None`` if it was not tested, or does not classify.

    Raises:
        UsageError: There is no such file, or it holds something else.
    """
    right = _content(path)[0].get("right")
    return None if right is None else right.clone()


def _content(path: str | Path) -> tuple[Mapping[str, Any], Trial]:
    """The content of a model's file, and its trial."""
    if not Path(path).is_file():
        raise UsageError(f"there is no model file {str(path)!r}")
    other = UsageError(f"{path} is not a model that a sweep saved, or it is damaged")
    try:
        saved = load_whole(Path(path), "cpu")
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})") from error
    except DamagedError as error:
        raise other from error
    if not saved.keys() >= _PARTS or not _is_plain(saved):
        raise other
    try:
        return saved, Trial.from_dict(saved["trial"])
    except TypeError as error:
        raise other from error


def _is_plain(saved: Mapping[str, Any]) -> bool:
    """Whether the parts of a model's file have the types that `Training.result` returns."""
    numbers = (saved["metrics"], saved["test"])
    named = (saved["trial"], saved["model"], saved["extras"], *numbers)
    if not all(isinstance(part, Mapping) and all(type(name) is str for name in part) for part in named):
        return False
    rows, right = saved["confusion"], saved.get("right")
    return (
        all(isinstance(value, Tensor) for value in saved["model"].values())
        and all(type(value) in (int, float) for part in numbers for value in part.values())
        and type(saved["classes"]) is int
        and isinstance(rows, list)
        and all(isinstance(row, list) and all(type(count) is int for count in row) for row in rows)
        and (right is None or (isinstance(right, Tensor) and right.dtype == torch.bool and right.dim() == 1))
        and all(isinstance(leaf, _HELD) for leaf in tree_leaves((saved["extras"], saved["trial"])))
        and all(_is_whole(leaf) for leaf in tree_leaves(dict(saved)) if isinstance(leaf, Tensor))
    )


def _is_whole(tensor: Tensor) -> bool:
    """Whether a tensor is no larger than its storage; a larger one repeats few values many times."""
    stored = tensor.layout == torch.strided and not tensor.is_quantized
    return stored and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _fits(architecture: Architecture, data: Data, parameters: Mapping[str, Tensor]) -> bool:
    """Whether a model of these sizes has these parameters, checked without memory for them."""
    try:
        with torch.device("meta"):
            shapes = {name: value.shape for name, value in architecture.build(data).state_dict().items()}
    except Exception:  # a model that cannot be built like this is checked when it is built in full
        return True
    return shapes == {name: value.shape for name, value in parameters.items()}


def encoding(extras: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `Data.extras` that a trained model still needs; the model itself holds word vectors.

    Raises:
        UsageError: A value, such as a numpy array, cannot be in a file that is read without running code.
    """
    for name, value in extras.items():
        odd = [leaf for leaf in tree_leaves(value) if not isinstance(leaf, _HELD)]
        if odd:
            kind = f"{type(odd[0]).__module__}.{type(odd[0]).__qualname__}"
            raise UsageError(
                f"Data.extras[{name!r}] holds {kind}, and a model's file holds tensors, numbers, text, and "
                "lists, tuples and dicts of them"
            )
    return {
        name: value[:0] if name in ("known", "vectors") and value is not None else value
        for name, value in extras.items()
    }
