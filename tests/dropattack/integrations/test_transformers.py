"""Hugging Face's Trainer with a method: its losses, its updates, and its checkpoints."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import dropattack
from dropattack import Task, UsageError
from dropattack.integrations.transformers import Attacked
from trainables import vision

transformers = vision.transformers()
SIZE = 16


class AttackedTrainer(Attacked, transformers.Trainer):  # type: ignore[misc,name-defined]
    pass


@pytest.fixture(autouse=True)
def _on_one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def words(seed: int = 1) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(SIZE):
        ids = torch.randint(1, 30, (6,), generator=generator)
        mask = (torch.arange(6) < 2 + number % 5).long()
        found.append({"input_ids": ids * mask, "attention_mask": mask, "labels": number % 3})
    return found


def sentences() -> list[dict[str, Any]]:
    return [
        {**one, "labels": one["input_ids"].masked_fill(one["attention_mask"] == 0, -100)} for one in words()
    ]


def bert(dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    drops = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=8, num_labels=3, **sizes, **drops)
    return transformers.BertForSequenceClassification(config)


def gpt2() -> Any:
    torch.manual_seed(0)
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8, "bos_token_id": 0, "eos_token_id": 0}
    still = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=30, **sizes, **still))


def arguments(folder: Path, **more: Any) -> Any:
    given = {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "learning_rate": 0.01,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "train_sampling_strategy": "sequential",
        "max_grad_norm": 0.5,
        "optim": "adamw_torch",
        "weight_decay": 0.1,
    }
    return transformers.TrainingArguments(str(folder), **{**given, **more})


def method(name: str = "fgm", **values: Any) -> dropattack.Method[Any]:
    return dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(3)), **values)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(model: Any, data: Any, folder: Path, name: str = "fgm", **more: Any) -> Any:
    trainer = AttackedTrainer(model, arguments(folder, **more), train_dataset=data, method=method(name))
    trainer.train()
    return trainer


def collated(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
    batch: dict[str, Tensor] = transformers.default_data_collator(examples)
    return batch


def per_label(outputs: Any, labels: Tensor) -> Tensor:
    """The sum of the loss over labels; that of GPT-2 is of the next words."""
    logits = outputs.logits
    if logits.dim() == 2:
        return F.cross_entropy(logits, labels, reduction="sum")
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")


def counted(labels: Tensor) -> int:
    return int((labels if labels.dim() == 1 else labels[:, 1:]).ne(-100).sum())


def by_hand(model: Any, data: Any, share: int, name: str) -> tuple[list[float], Tensor]:
    """A plain loop with the mean over the labels of each update: losses, and weights in the end."""
    decay, others = [], []
    for parameter in model.parameters():
        (others if parameter.dim() == 1 else decay).append(parameter)
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    total = 2 * SIZE // 4
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / total)

    def mean(outputs: Any, labels: Tensor) -> Tensor:
        return per_label(outputs, labels) / counted(labels)

    task = Task(loss=mean, generator=torch.Generator().manual_seed(3))
    taken = dropattack.create(name, task=task)
    losses = []
    model.train()
    for _ in range(2):
        for start in range(0, SIZE, 4):
            parts = [collated(data[start + i : start + i + 4 // share]) for i in range(0, 4, 4 // share)]
            count = sum(counted(part["labels"]) for part in parts)
            seen = [
                float(taken.accumulate(model, part, share_of).loss) * share_of
                for part in parts
                for share_of in [counted(part["labels"]) / count]
            ]
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(sum(seen))
    return losses, weights(model)


@pytest.mark.parametrize("share", [1, 2, 4])
@pytest.mark.parametrize(("make", "data"), [(bert, words), (gpt2, sentences)])
def test_losses_and_weights_are_those_of_a_plain_loop(
    make: Any, data: Any, share: int, tmp_path: Path
) -> None:
    """Batches of unequal numbers of labels; the method is one whose attack goes by each batch."""
    model, alone = make(), make()
    options = {"per_device_train_batch_size": 4 // share, "gradient_accumulation_steps": share}
    trainer = trained(model, data(), tmp_path, "sam", **options)
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    losses, expected = by_hand(alone, data(), share, "sam")
    assert logged == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(weights(model), expected, rtol=1e-4, atol=1e-6)
    assert trainer.method.steps == 2 * SIZE // 4 * share


def test_a_loss_of_the_trainers_own_is_attacked(tmp_path: Path) -> None:
    calls: list[Any] = []

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        calls.append(num_items_in_batch)
        return F.cross_entropy(outputs.logits, labels, label_smoothing=0.1)

    trainer = AttackedTrainer(
        bert(),
        arguments(tmp_path, max_steps=2, gradient_accumulation_steps=2, per_device_train_batch_size=2),
        train_dataset=words(),
        method=method("fgm"),
        compute_loss_func=loss,
    )
    trainer.train()
    assert len(calls) == 2 * 2 * 2
    assert trainer.state.log_history[0]["loss"] == pytest.approx(1.1, rel=0.1)


def test_a_trainer_with_a_loss_below_the_mixin_is_attacked(tmp_path: Path) -> None:
    class Own(transformers.Trainer):  # type: ignore[misc,name-defined]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
            outputs = model(**inputs)
            loss = outputs.loss * 3
            return (loss, outputs) if return_outputs else loss

    class Mine(Attacked, Own):
        pass

    trainer = Mine(bert(), arguments(tmp_path, max_steps=1), train_dataset=words(), method=method())
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(3.3, rel=0.1)


def test_evaluation_is_the_trainers_own(tmp_path: Path) -> None:
    model = bert()
    plain = transformers.Trainer(deepcopy(model), arguments(tmp_path), eval_dataset=words())
    ours = AttackedTrainer(model, arguments(tmp_path), eval_dataset=words(), method=method())
    assert ours.evaluate()["eval_loss"] == plain.evaluate()["eval_loss"]
    assert ours.method.steps == 0


class StoppedError(Exception):
    """A training breaks off."""


class Stops(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise StoppedError


@pytest.mark.parametrize(
    ("name", "values", "stop"),
    [
        ("dropattack", {"p": 0.5, "start": 0.4, "dropout": "same"}, 7),
        ("dropen", {"k": 1, "interval": 2}, 3),
    ],
)
def test_a_run_that_broke_off_reaches_the_same_weights(
    name: str, values: dict[str, Any], stop: int, tmp_path: Path
) -> None:
    """It breaks off behind its last checkpoint, in the middle of an epoch or at its end; with dropout."""
    options = {"save_strategy": "steps", "save_steps": 2, "train_sampling_strategy": "random"}

    def trainer(folder: str, **more: Any) -> Any:
        return AttackedTrainer(
            bert(0.2),
            arguments(tmp_path / folder, **options),
            train_dataset=words(),
            method=method(name, **values),
            **more,
        )

    whole = trainer("whole")
    whole.train()
    with pytest.raises(StoppedError):
        trainer("parts", callbacks=[Stops(stop)]).train()
    resumed = trainer("parts")
    resumed.train(resume_from_checkpoint=True)
    assert resumed.method.steps == whole.method.steps
    assert torch.equal(weights(resumed.model), weights(whole.model))


def test_a_checkpoint_without_a_method_is_refused_in_one_line(tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 2, "max_steps": 2}
    transformers.Trainer(bert(), arguments(tmp_path, **options), train_dataset=words()).train()
    ours = AttackedTrainer(bert(), arguments(tmp_path), train_dataset=words(), method=method())
    with pytest.raises(UsageError, match=r"method\.pt is missing") as caught:
        ours.train(resume_from_checkpoint=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dropattack.create("freeat"), "freeat makes its own updates"),
        (dropattack.create("apb"), "apb makes its own updates"),
        (dropattack.create("fgm", task=Task(loss=F.mse_loss)), "pass it compute_loss_func"),
        (dropattack.create("fgm", task=Task(clip_norm=1.0)), "leave clip_norm out"),
        ("sam", r"such as dropattack\.create\('sam'\), not 'sam'"),
        (None, "not None"),
        (dropattack.method_named("fgm"), "not type"),
    ],
)
def test_what_cannot_be_is_refused_before_training(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        AttackedTrainer(bert(), arguments(tmp_path), method=given)
