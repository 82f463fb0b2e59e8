"""Hugging Face's Trainer in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.dropattack.integrations.test_transformers import by_hand, gpt2, sentences

PARALLEL = """
import sys
from pathlib import Path

import torch

from tests.dropattack.integrations.test_transformers import gpt2, sentences, trained, weights

torch.set_num_threads(1)
model = gpt2()
options = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "ddp_backend": "gloo"}
trainer = trained(model, sentences(), Path(sys.argv[1]), "sam", **options)
torch.save(weights(model), f"{sys.argv[1]}/weights{trainer.args.process_index}.pt")
logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
torch.save(torch.tensor(logged), f"{sys.argv[1]}/losses{trainer.args.process_index}.pt")
assert trainer.args.world_size == 2
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.heavy
def test_two_processes_are_a_plain_loop_too(tmp_path: Path) -> None:
    """Two processes with two batches of one example each make the update of four such batches."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    shared |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PARALLEL, str(tmp_path)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for rank in (0, 1)
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    alone = gpt2()
    losses, expected = by_hand(alone, sentences(), 4, "sam")
    for rank in (0, 1):
        found = torch.load(tmp_path / f"weights{rank}.pt")
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.load(tmp_path / "losses0.pt").tolist() == pytest.approx(losses, rel=1e-4)
