"""Labelled examples in memory: splits, encodings and the node's cache."""
