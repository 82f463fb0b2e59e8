"""What metrics are called, for whoever reads them and measures nothing."""

Metrics = dict[str, float]
"""Values by name, of one epoch or one split."""

LOSS = "loss"
SMALLER_IS_BETTER = (LOSS, "calibration_error", "rmse", "mae")
"""Metrics of the objectives that ship of which less is better."""

STOPPED_EARLY = "stopped_early"
"""1 in the last epoch of a trial that ended before its budget, because its patience did."""

LEFT_OUT = "group_"
"""What is tested on, before the name of the group that a trial left out: how many examples that has."""
