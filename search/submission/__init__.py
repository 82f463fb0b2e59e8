"""Sweeps as jobs on a cluster: packed, uploaded, followed."""
