"""A user's own code, as digests that a trial's key can hold."""
