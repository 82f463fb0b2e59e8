"""The idempotent sweep: what remains to train, who goes on, what a run would do."""
