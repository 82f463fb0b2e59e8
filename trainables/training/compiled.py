"""A model's passes as code that `torch.compile` generates."""

from torch import nn

from dropattack import UsageError, method_named


def check_compilable(method: str) -> None:
    """Refuses a method whose steps cannot run generated code.

    Raises:
        UsageError: The method differentiates a gradient, for which `torch.compile` has no rule.
    """
    if method_named(method).second_order:
        raise UsageError(
            f"{method} differentiates its gradient, which compiled passes cannot do; set compile: false"
        )


def compile_passes(model: nn.Module) -> None:
    """Makes every call of ``model`` run generated code; parameters, buffers and their names stay.

    Methods that perturb an embedding or drop activations put hooks on modules for one step. By default
    PyTorch ignores hooks that are newer than the generated code; here it generates the code anew.
    """
    import torch._dynamo  # 69 MB, which other trials do not need until their first update

    torch._dynamo.config.skip_nnmodule_hook_guards = False
    model.compile()
