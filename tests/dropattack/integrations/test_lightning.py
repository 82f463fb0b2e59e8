"""Lightning with a method, automatic and manual: its updates, and its checkpoints."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import Task
from dropattack.integrations.lightning import Attacked
from trainables import vision

vision.torchmetrics()  # which Lightning imports
import lightning  # noqa: E402 - behind what mends torchvision

SIZE, EPOCHS = 12, 2


def data(batch: int = 4) -> torch.utils.data.DataLoader[Any]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(SIZE, 5, generator=generator)
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.arange(SIZE) % 3), batch_size=batch
    )


def network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 3))


def method(name: str, **values: Any) -> dropattack.Method[Any]:
    return dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(3)), **values)


class Module(Attacked, lightning.LightningModule):
    def __init__(self, taken: dropattack.Method[Any], automatic: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.model, self.method = network(dropout), taken
        self.automatic_optimization = automatic

    def training_step(self, batch: Any, index: int) -> Any:
        if self.automatic_optimization:
            loss = self.attacked_loss(self.model, batch)
            self.log("loss", loss)
            return loss
        self.method.step(self.model, batch, self.optimizers())
        return None

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=0.05)


def trainer(folder: Path, **options: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    given = {"max_epochs": EPOCHS, "accelerator": "cpu", "enable_checkpointing": False, **quiet}
    return lightning.Trainer(default_root_dir=folder, **{**given, **options})


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def by_hand(taken: dropattack.Method[Any], parts: int = 1, clip: float | None = None) -> Tensor:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    for epoch in range(EPOCHS):
        taken.until = (epoch + 1) / EPOCHS
        taken.begin_epoch(epoch / EPOCHS)
        for number, batch in enumerate(data(4 // parts)):
            taken.accumulate(model, batch, 1 / parts)
            if (number + 1) % parts == 0:
                if clip is not None:
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
    return weights(model)


NAMES = ["standard", "fgm", "sam", "awp", "dropattack", "dropen", "freelb"]


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_it_trains_as_a_plain_loop_does(name: str, automatic: bool, tmp_path: Path) -> None:
    module = Module(method(name), automatic)
    trainer(tmp_path).fit(module, data())
    torch.testing.assert_close(weights(module.model), by_hand(method(name)), rtol=1e-4, atol=1e-6)
    assert module.method.steps == EPOCHS * SIZE // 4


def test_accumulation_and_clipping_are_lightnings(tmp_path: Path) -> None:
    module = Module(method("sam"))
    trainer(tmp_path, accumulate_grad_batches=2, gradient_clip_val=0.1).fit(module, data(2))
    expected = by_hand(method("sam"), parts=2, clip=0.1)
    torch.testing.assert_close(weights(module.model), expected, rtol=1e-4, atol=1e-6)


def test_methods_with_updates_of_their_own_are_for_manual_optimization(tmp_path: Path) -> None:
    with pytest.raises(dropattack.UsageError, match="makes its own updates"):
        trainer(tmp_path, max_steps=1).fit(Module(method("freeat")), data())
    module = Module(method("freeat", m=2), automatic=False)
    before = weights(module.model)
    trainer(tmp_path, max_epochs=1).fit(module, data())
    assert not torch.equal(before, weights(module.model))


@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_mixed_precision_is_lightnings(precision: Any, tmp_path: Path) -> None:
    types: set[torch.dtype] = set()
    module = Module(method("fgm"))
    module.model[4].register_forward_hook(lambda _, __, outputs: types.add(outputs.dtype))
    trainer(tmp_path, precision=precision, max_epochs=1).fit(module, data())
    assert types == {torch.bfloat16}
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("name", ["fgm", "sam", "dropattack"])
def test_an_overflow_in_float16_is_left_out_and_training_goes_on(name: str, tmp_path: Path) -> None:
    """Lightning's scaler begins with a factor that overflows; what it adapts to then does not."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-30)
    plugin = lightning.pytorch.plugins.MixedPrecision("16-mixed", "cpu", scaler)
    module = Module(method(name))
    start, moved = weights(module.model), []
    module.on_train_batch_end = lambda *_: moved.append(  # type: ignore[method-assign]
        not torch.equal(start, weights(module.model))
    )
    trainer(tmp_path, plugins=[plugin], max_epochs=1).fit(module, data())
    assert moved == [False, True, True]
    assert scaler.get_scale() == 2.0**10
    assert weights(module.model).isfinite().all()


class StoppedError(Exception):
    """A training breaks off."""


class Stops(lightning.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise StoppedError


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize(
    ("name", "values"),
    [("dropattack", {"p": 0.5, "start": 0.4, "dropout": "same"}), ("rwp", {}), ("dropen", {"k": 1})],
)
def test_a_run_that_broke_off_reaches_the_same_weights(
    name: str, values: dict[str, Any], automatic: bool, tmp_path: Path
) -> None:
    def run(folder: str, stop: int = -1, resume: bool = False) -> Module:
        module = Module(method(name, **values), automatic, dropout=0.5)
        saves = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path / folder, save_last=True)
        fitted = trainer(tmp_path, max_epochs=4, enable_checkpointing=True, callbacks=[saves, Stops(stop)])
        fitted.fit(module, data(), ckpt_path=tmp_path / folder / "last.ckpt" if resume else None)
        return module

    whole = run("whole")
    with pytest.raises(StoppedError):
        run("parts", stop=8)  # in the middle of the third of four epochs
    resumed = run("parts", resume=True)
    assert resumed.method.steps == whole.method.steps
    assert torch.equal(weights(resumed.model), weights(whole.model))
