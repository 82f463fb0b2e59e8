"""Adapters of PEFT: targets by their names, and what a method trains."""

from pathlib import Path

import torch

import dropattack
from tests.dropattack.integrations.test_transformers import (
    AttackedTrainer,
    arguments,
    bert,
    collated,
    method,
    weights,
    words,
)


def test_adapters_of_peft_are_targets_and_nothing_else_moves(tmp_path: Path) -> None:
    import peft

    config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"], r=2)
    model = peft.get_peft_model(bert(), config)
    target = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.default.weight"
    taken = method("dropattack", targets=f"input+{target}", p=1.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved: list[float] = []
    watched = model.get_parameter(target)
    model.register_forward_pre_hook(lambda *_: moved.append(float((watched - before[target]).norm())))
    AttackedTrainer(model, arguments(tmp_path, max_steps=1), train_dataset=words(), method=taken).train()
    assert [shift > 0 for shift in moved] == [False, False, True]
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name, p in model.named_parameters() if p.requires_grad}


def test_sam_trains_adapters() -> None:
    import peft

    config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], r=2)
    model = peft.get_peft_model(bert(), config)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    before = weights(model.base_model.model.bert.embeddings)
    for name in sorted(set(dropattack.registered()) - {"apb"}):
        result = method(name).step(model, collated(words()[:4]), optimizer)
        assert result.log["skipped_updates"] == 0, name
    assert torch.equal(before, weights(model.base_model.model.bert.embeddings))
