"""Two processes that train one model: each attacks by itself, and all move alike."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import Task
from tests.dropattack.toys import HYPERPARAMETERS

PARALLEL = """
import os, sys
import torch
import torch.nn.functional as F
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

import dropattack
from tests.dropattack.test_parallel import network, halves
from tests.dropattack.toys import HYPERPARAMETERS

rank = int(sys.argv[1])
distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
found = {}
for name in sorted(dropattack.registered()):
    core = network()
    model = DistributedDataParallel(core)
    optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
    values = HYPERPARAMETERS.get(name, {}) | ({"targets": "input+0.weight"} if name == "dropattack" else {})
    task = dropattack.Task(generator=torch.Generator().manual_seed(1))
    method = dropattack.create(name, task=task, **values)
    for _ in range(2):
        method.step(model, halves()[rank], optimizer)
    found[name] = [p.detach().clone() for p in core.parameters()]
    if method.hands_over(method.settings):
        for take in ("accumulate", "deferred"):
            core.zero_grad()
            with model.no_sync():
                share = 1.0 + rank  # what a loop makes of a batch may differ between processes
                if take == "deferred":
                    (method.deferred(model, halves()[rank]).loss * share).backward()
                else:
                    method.accumulate(model, halves()[rank], share)
            seen = getattr(method, take)(model, halves()[rank])
            if take == "deferred":
                seen.loss.backward()
            found[name, take] = [p.grad.clone() for p in core.parameters()]
class Inside(nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.method = network(), dropattack.create("sam")

    def forward(self, batch):
        return self.method.deferred(self.model, batch).loss

core = Inside()
model = DistributedDataParallel(core)
optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
for _ in range(2):
    optimizer.zero_grad()
    model(halves()[rank]).backward()
    optimizer.step()
found["inside"] = [p.detach().clone() for p in core.parameters()]
scaling = dropattack.LossScale(4.0)
core = network()
model = DistributedDataParallel(core)
images, labels = halves()[rank]
method = dropattack.create("fgm", task=dropattack.Task(scaling=scaling))
method.step(model, (images * (torch.inf if rank else 1), labels), torch.optim.SGD(core.parameters(), lr=0.1))
found["overflow"] = [*(p.detach().clone() for p in core.parameters()), scaling.factor.clone()]
torch.save(found, f"{sys.argv[2]}.{rank}")
distributed.destroy_process_group()
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def halves() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    return [(torch.rand(4, 3, dtype=torch.float64), torch.randint(3, (4,))) for _ in range(2)]


@pytest.mark.heavy
def test_processes_attack_by_themselves_and_average_gradients(tmp_path: Any) -> None:
    """Expected: one process that takes each half by itself, and moves by the mean of both gradients.

    The step may be inside of what is wrapped, as with Lightning, whose modules compute their loss there.
    """
    meeting = tmp_path / "meeting"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PARALLEL]
    running = [
        subprocess.Popen([*command, str(rank), str(meeting)], env=environment, stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    found = [torch.load(f"{meeting}.{rank}") for rank in (0, 1)]
    for key, values in found[0].items():
        for one, other in zip(values, found[1][key], strict=True):
            assert torch.equal(one, other), key
    assert all(torch.equal(p, q) for p, q in zip(network().parameters(), found[0]["overflow"], strict=False))
    assert found[0]["overflow"][-1] == 2.0
    for one, other in zip(found[0]["sam"], found[0]["inside"], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    for name in sorted(set(dropattack.registered()) - {"freeat", "apb"}):
        core = network()
        optimizer = torch.optim.SGD(core.parameters(), lr=0.1, momentum=0.9)
        values = HYPERPARAMETERS.get(name, {}) | (
            {"targets": "input+0.weight"} if name == "dropattack" else {}
        )
        methods = [
            dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(1)), **values)
            for _ in range(2)
        ]
        for _ in range(2):
            optimizer.zero_grad()
            for method, half in zip(methods, halves(), strict=True):
                method.accumulate(core, half, 0.5)
            optimizer.step()
        for parameter, theirs in zip(core.parameters(), found[0][name], strict=True):
            torch.testing.assert_close(theirs, parameter, rtol=1e-9, atol=1e-12, msg=name)
        for take in ("accumulate", "deferred"):
            core.zero_grad()
            for rank, (method, half) in enumerate(zip(methods, halves(), strict=True)):
                method.accumulate(core, half, 0.5 * (1 + rank))
                method.accumulate(core, half, 0.5)
            for parameter, theirs in zip(core.parameters(), found[0][name, take], strict=True):
                torch.testing.assert_close(theirs, parameter.grad, rtol=1e-9, atol=1e-12, msg=name)
