"""Adapters that make a workload of a user's own data and model in a line or two each."""
