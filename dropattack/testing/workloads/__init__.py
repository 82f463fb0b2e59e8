"""The contract that every workload keeps: its data, its model, and how these train, resume and are saved."""

from dropattack.testing.workloads.data import DataKept
from dropattack.testing.workloads.training import ModelKept

__all__ = ["WorkloadContract"]


class WorkloadContract(DataKept, ModelKept):
    """Tests that the author of a workload inherits; see `WorkloadCases` for what to declare.

    Examples:
        >>> class TestDigits(WorkloadContract):
        ...     workload = "digits-lenet5"
    """
