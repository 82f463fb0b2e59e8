"""What metrics are called, for whoever reads them and measures nothing."""

Metrics = dict[str, float]
"""Values by name, of one epoch or one split."""

PLAIN_METRICS = ("accuracy", "loss", "macro_f1", "f1")
"""What `trainables.recipe.metrics.evaluate` can measure on a split."""
