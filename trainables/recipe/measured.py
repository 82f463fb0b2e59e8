"""Names of metrics, for code that reads them and measures nothing."""

Metrics = dict[str, float]
"""Values by name, of one epoch or one split."""

LOSS = "loss"
SMALLER_IS_BETTER = (LOSS, "calibration_error", "rmse", "mae")
"""Metrics of the shipped objectives whose smaller values are better."""

STOPPED_EARLY = "stopped_early"
"""1 in the last epoch of a trial that ended before its budget, because its patience ran out."""

LEFT_OUT = "group_"
"""Prefix of a metric that counts the test examples, before the name of the group that a trial left out."""

GPUS = "gpus"
"""GPUs that a trial's stack occupied in an epoch, or the share of one; 0 on a CPU."""
