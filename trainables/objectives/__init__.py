"""Objectives: the loss that a workload trains with and its metrics, one objective a module."""

from trainables.objectives.classification import Classification
from trainables.objectives.custom import CustomObjective
from trainables.objectives.multilabel import MultiLabel
from trainables.objectives.objective import Measure, Measured, Objective
from trainables.objectives.regression import Regression

__all__ = [
    "Classification",
    "CustomObjective",
    "Measure",
    "Measured",
    "MultiLabel",
    "Objective",
    "Regression",
]
