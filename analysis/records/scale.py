"""The scale of ε: an absolute number and a multiple of a tensor's norm share no cell and no axis."""

import pandas as pd

ABSOLUTE, RELATIVE = "absolute", "relative"
_LABELS = {ABSOLUTE: "perturbation size ε", RELATIVE: "relative perturbation size ε"}


def scale_of(trials: pd.DataFrame) -> pd.Series:
    """`RELATIVE` where a trial's ε is a multiple of the norm of what it attacks, `ABSOLUTE` elsewhere."""
    if "epsilon_scale" not in trials:
        return pd.Series(ABSOLUTE, index=trials.index)
    return trials["epsilon_scale"].fillna(ABSOLUTE).astype(str)


def size_label(scale: str) -> str:
    """The label of an axis of ε."""
    return _LABELS[scale]
