"""Sweeps as data, their planning, execution, durable record and command line."""
