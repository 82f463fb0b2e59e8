"""A GPU's memory: full, shared, and used by two processes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.jobs import PROCESSES, Job
from benchmarks.gpu.speed import processes
from trainables.gpu import is_out_of_memory, keep_to_share

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
SHARED = """
import torch
from tests.gpu.trials import IMAGES, trial
from benchmarks.gpu.tables import images
from trainables.gpu import CONTEXT_BYTES, is_out_of_memory, keep_to_share
from trainables.training.loop import Training

total = torch.cuda.get_device_properties(0).total_memory
share = (CONTEXT_BYTES + 2**29) / total
keep_to_share(share)
Training(trial(IMAGES), images(12, 12), torch.device("cuda")).epoch()
torch.empty(2**28, dtype=torch.uint8, device="cuda")
try:
    Training(trial(IMAGES, batch_size=60_000), images(60_000, 12), torch.device("cuda")).epoch()
except Exception as error:
    assert is_out_of_memory(error), repr(error)
    print("full")
Training(trial(IMAGES), images(12, 12), torch.device("cuda")).epoch()
print("goes on")
"""


def test_what_cannot_fit_is_recognised_as_out_of_memory(gpu: torch.device) -> None:
    total = torch.cuda.get_device_properties(gpu).total_memory
    with pytest.raises(RuntimeError) as full:
        torch.empty(2 * total, dtype=torch.uint8, device=gpu)
    assert is_out_of_memory(full.value)
    assert torch.ones(3, device=gpu).sum().item() == 3


def test_a_process_fails_at_its_share_and_goes_on(gpu: torch.device) -> None:
    done = subprocess.run([sys.executable, "-c", SHARED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["full", "goes on"]


def test_a_whole_gpu_is_a_share_too(gpu: torch.device) -> None:
    keep_to_share(1.0)
    assert torch.ones(3, device=gpu).sum().item() == 3


def test_two_processes_train_on_one_card(gpu: torch.device) -> None:
    found = processes(Job(PROCESSES, "grid", at_once=2, device=gpu.type, quick=True, rounds=1))
    assert len(found["seconds"]) == 1
    assert found["peak_mib"] > 0
