"""The recipes of docs/how-to/library.md run as they stand, and are as short as its table says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import dropattack
from tests.docs.pages import text_of
from trainables import vision

PAGE = text_of("docs/how-to/library.md")
RECIPES: dict[str, str] = {
    title: code
    for title, text in re.findall(r"^### (.*?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
}
LINES = {title: int(n) for title, n in re.findall(r"^\| \[(.*?)\]\(#.*?\) \| (\d+) \|$", PAGE, re.MULTILINE)}
Names = dict[str, Any]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


def loader(*tensors: torch.Tensor, size: int = 2) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*tensors), batch_size=size)


def numbers() -> Names:
    model = network()
    data = loader(torch.rand(8, 5), torch.arange(8) % 3)
    return {"model": model, "loader": data, "network": network, "device": "cpu"}


def images() -> Names:
    data = loader(torch.rand(4, 3, 8, 8), torch.arange(4) % 3)
    return {"model": vision.models().resnet18(num_classes=3), "loader": data}


def words() -> Names:
    transformers = vision.transformers()
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=8, num_labels=3, **sizes)
    ids = torch.randint(1, 30, (4, 6))
    data = [
        {"input_ids": one, "attention_mask": torch.ones_like(one), "labels": number % 3}
        for number, one in enumerate(ids)
    ]
    model = transformers.BertForSequenceClassification(config)
    return {"model": model, "data": data, "loader": DataLoader(data, batch_size=2)}  # type: ignore[arg-type]


def trainer(folder: Path) -> Names:
    transformers = vision.transformers()
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}
    arguments = transformers.TrainingArguments(str(folder), num_train_epochs=1, **quiet)
    return {**words(), "Trainer": transformers.Trainer, "arguments": arguments}


def lightning() -> Names:
    vision.torchmetrics()
    from lightning import LightningModule

    from dropattack.integrations.lightning import Attacked

    return {**numbers(), "LightningModule": LightningModule, "Attacked": Attacked}


def fitted(names: Names) -> None:
    """What a user does with a Lightning module."""
    import lightning

    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    module = names["Classifier"]()
    names["model"] = module.model
    names["before"] = weights(module.model)
    options: Names = {"max_epochs": 1, "accelerator": "cpu", "enable_checkpointing": False, **quiet}
    lightning.Trainer(**options).fit(module, names["loader"])


def accelerate() -> Names:
    vision.transformers()
    from accelerate import Accelerator

    return {**numbers(), "Accelerator": Accelerator}


def peft() -> Names:
    vision.transformers()
    from peft import LoraConfig, get_peft_model

    return {**words(), "LoraConfig": LoraConfig, "get_peft_model": get_peft_model}


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kinds, self.fc = nn.Embedding(4, 3), nn.Linear(8, 1)

    def forward(self, numbers: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(torch.cat([numbers, self.kinds(kinds)], 1)).squeeze(1)
        return logits


def table() -> Names:
    rows = [((torch.rand(5), torch.tensor(n % 4)), torch.tensor(float(n % 2))) for n in range(4)]
    return {"model": Table(), "loader": DataLoader(rows, batch_size=2)}  # type: ignore[arg-type]


def weighted() -> Names:
    return {**numbers(), "loader": loader(torch.rand(8, 5), torch.arange(8) % 3, torch.rand(8))}


def course(folder: Path) -> Names:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.fc(x)
            return logits

    return {**numbers(), "model": Named(), "epochs": 2, "path": folder / "state.pt"}


MADE: dict[str, Callable[..., Names]] = {
    "Plain loop": images,
    "Words": words,
    "Accumulation": numbers,
    "Scaling for float16": numbers,
    "Trainer": trainer,
    "Lightning": lightning,
    "Lightning by hand": lightning,
    "Accelerate": accelerate,
    "PEFT": peft,
    "Several inputs": table,
    "A loss of your own": weighted,
    "A pass of your own": numbers,
    "Stopping and going on": course,
}
"""What each recipe has around it."""

NEEDS_FOLDER = (trainer, course)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])


@pytest.fixture(autouse=True)
def _on_one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_trains(title: str, tmp_path: Path) -> None:
    make = MADE[title]
    names = make(tmp_path) if make in NEEDS_FOLDER else make()
    names |= {"torch": torch, "dropattack": dropattack}
    model = names["model"]
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    names["schedule"] = torch.optim.lr_scheduler.ConstantLR(names["optimizer"])
    names["before"] = weights(model)
    exec(RECIPES[title], names)
    if "Classifier" in names:
        fitted(names)
    after = weights(names["model"])
    assert after.isfinite().all()
    assert after.shape != names["before"].shape or not torch.equal(after, names["before"])


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_is_ten_lines_and_counts_its_own(title: str) -> None:
    code = [line for line in RECIPES[title].splitlines() if line.strip()]
    assert len(code) <= 10
    assert sum(line.endswith("# +") for line in code) == LINES[title]


def test_every_recipe_is_tried_and_short_where_it_was_promised() -> None:
    assert list(RECIPES) == list(LINES) == list(MADE)
    most = {"Plain loop": 2, "Words": 3, "Trainer": 4, "Lightning": 3}
    assert {title: LINES[title] for title in most if LINES[title] > most[title]} == {}


def test_the_table_of_methods_is_what_they_are() -> None:
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \| .* \| (yes|no)[^|]* \|$", PAGE, re.MULTILINE)
    said = {name: answer == "yes" for cell, answer in rows for name in re.findall(r"`([\w-]+)`", cell)}
    found = {
        name: dropattack.create(name).hands_over(dropattack.create(name).settings)
        for name in dropattack.registered()
    }
    assert said == found
