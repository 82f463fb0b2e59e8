"""The contract that every training method keeps."""

from dropattack.testing.methods.declaring import Declaring
from dropattack.testing.methods.gradients import Gradients
from dropattack.testing.methods.reproducing import Reproducing
from dropattack.testing.methods.restoring import Restoring

__all__ = ["MethodContract"]


class MethodContract(Restoring, Reproducing, Gradients, Declaring):
    """Tests that the author of a method inherits; see `MethodCases` for what to declare.

    Each test runs on small models of images and of texts, with batch normalisation and with tied weights. Set
    a test that cannot apply to a method to ``None``, and write the reason beside it.

    Examples:
        >>> class TestSAM(MethodContract):
        ...     method = "sam"
        ...     hyperparameters = ({}, {"rho": 0.5})
    """
