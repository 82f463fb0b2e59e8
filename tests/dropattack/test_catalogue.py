import re
from pathlib import Path

import pytest
import torch
from torch import nn

import dropattack
from dropattack import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "methods.md"


def test_the_page_says_what_the_registry_declares():
    page = PAGE.read_text()
    assert catalogue.renewed(page) == page, "run: python -m dropattack.catalogue docs/reference/methods.md"


def test_every_method_and_hyperparameter_is_in_the_tables():
    reference = catalogue.reference()
    for name, method in dropattack.registered().items():
        assert f"[`{name}`](#{name})" in reference
        for key in method.settings_type.ranges():
            assert f"| `{key}` |" in catalogue.hyperparameters(name)


def test_every_method_says_what_a_step_computes():
    for name, method in dropattack.registered().items():
        assert "∇" in method.equation, name
        assert method.equation.split("; ")[0] in catalogue.section(name)


def test_cells_do_not_break_the_table():
    for name in dropattack.registered():
        for line in catalogue.hyperparameters(name).splitlines()[2:]:
            assert len(re.findall(r"(?<!\\)\|", line)) == 5, line


def test_a_page_without_markers_is_refused():
    with pytest.raises(dropattack.UsageError, match="needs the lines"):
        catalogue.renewed("# Methods")


def test_the_five_lines_of_the_page_run():
    code = re.search(r"```python\n(import dropattack\n.*?)```", PAGE.read_text(), re.DOTALL)
    model = nn.Sequential()
    model.add_module("encoder", nn.Linear(4, 8))
    model.add_module("decoder", nn.Linear(8, 2))
    before = model.encoder.weight.detach().clone()
    scope = {
        "batches": [(torch.randn(3, 4), torch.tensor([0, 1, 0]))] * 2,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
    }
    exec(code.group(1), scope)
    assert scope["result"].outputs.shape == (3, 2)
    assert not torch.equal(model.encoder.weight, before)
