"""The code that a user brought, as digests that a trial's key can hold."""
