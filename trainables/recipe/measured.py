"""What metrics are called, for whoever reads them and measures nothing."""

Metrics = dict[str, float]
"""Values by name, of one epoch or one split."""

STOPPED_EARLY = "stopped_early"
"""1 in the last epoch of a trial that ended before its budget, because its patience did."""

PLAIN_METRICS = ("accuracy", "loss", "macro_f1", "f1")
"""What `trainables.recipe.metrics.evaluate` can measure on a split."""
