"""Labelled examples in memory: splits, encodings and the node's cache."""

from trainables.data.dataset import Data, Dataset

__all__ = ["Data", "Dataset"]
