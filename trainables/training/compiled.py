"""A model's passes as `torch.compile` generates them."""

from torch import nn

from dropattack import UsageError, method_named


def check_compilable(method: str) -> None:
    """Refuses a method whose steps generated code cannot take.

    Raises:
        UsageError: It differentiates a gradient, for which `torch.compile` has no rule.
    """
    if method_named(method).second_order:
        raise UsageError(
            f"{method} differentiates its gradient, which compiled passes cannot; set compile: false"
        )


def compile_passes(model: nn.Module) -> None:
    """Lets every call of ``model`` run generated code from now on; parameters, buffers and their names stay.

    Methods that perturb an embedding or drop activations put hooks on modules for the time of a step. PyTorch
    would not look for hooks that have come since code was generated; here it does, and generates it anew.
    """
    import torch._dynamo  # 69 MB that other trials do without until their first update

    torch._dynamo.config.skip_nnmodule_hook_guards = False
    model.compile()
