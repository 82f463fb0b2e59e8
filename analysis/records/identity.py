"""Decides what counts as one configuration and as a control in the tables of trials."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dropattack import INPUT
from dropattack.methods.dropattack_settings import P_ZERO
from dropattack.methods.standard import MORE, SAME
from dropattack.settings import EPS_ZERO, EQUAL_PASSES, SAME_UPDATES

BASELINE = "standard"
CONFIGURATION, CONTROL = "configuration_id", "control_experiment"
"""Columns of `trainables.trial.Identity`, named so that no hyperparameter bears their names."""
SIZE = "training.train_size"


def identified(trials: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Fills in the identity of trials that record none, such as published numbers.

    Recorded trials have an identity, by what they compute. Of the others, equal settings are one
    configuration, and a control is one by its settings: ``control`` itself, an ε or p of 0, or several
    ``rounds``.

    Args:
        trials: Tidy rows, with "" in `CONFIGURATION` where it is not known.
        settings: Columns that name a configuration: all settings but the seed.
    """
    unknown = trials[trials[CONFIGURATION] == ""]
    if unknown.empty:
        return trials

    def of(name: str, otherwise: object) -> pd.Series:
        column = unknown.get(name, pd.Series(np.nan, index=unknown.index))
        return column.astype(object).where(column.notna(), otherwise)

    digests = pd.util.hash_pandas_object(unknown[list(settings)], index=False)
    named = of("control", "none").replace("none", "").astype(str)
    untouched = (of("epsilon", 1) == 0) | ((of("input_ratio", 1) == 0) & (of("targets", "") == INPUT))
    named = named.mask((named == "") & untouched, EPS_ZERO)
    several = of("rounds", 1).astype(float) > 1
    named = named.mask(of("p", 1) == 0, P_ZERO).mask(several, EQUAL_PASSES)
    named = named.mask(several & (of("updates", MORE) == SAME), SAME_UPDATES)
    filled = trials.copy()
    filled.loc[unknown.index, CONFIGURATION] = digests.map("{:016x}".format)
    filled.loc[unknown.index, CONTROL] = named
    return filled
