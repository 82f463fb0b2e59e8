"""GPUs as a trial's process meets them, told by a torch that pretends."""

import pytest
import torch

from trainables import gpu
from trainables.gpu import NoGpuError, device_for, is_out_of_memory, keep_to_share, share_problem

GIB = 2**30


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The limits that torch is told on a GPU of 16 GiB."""
    told: list[float] = []
    properties = type("Properties", (), {"total_memory": 16 * GIB})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    return told


@pytest.mark.parametrize(("share", "limit"), [(0.25, 0.25 - 1 / 16), (0.08, 0.08 - 1 / 16), (1.0, 1.0)])
def test_a_process_is_kept_to_its_share_less_what_its_context_takes(
    limits: list[float], share: float, limit: float
) -> None:
    keep_to_share(share)
    assert limits == [pytest.approx(limit)]
    assert device_for(share) == torch.device("cuda")


def test_without_a_share_nothing_is_limited(limits: list[float]) -> None:
    keep_to_share(0)
    assert limits == []
    assert device_for(0) == torch.device("cpu")


@pytest.mark.parametrize("share", [0.01, 0.05, 1 / 16, 0.07])
def test_a_share_that_leaves_nothing_is_refused_with_the_smallest_that_works(
    limits: list[float], share: float
) -> None:
    with pytest.raises(NoGpuError, match=r"smallest share is 0\.08"):
        keep_to_share(share)
    assert limits == []


@pytest.mark.parametrize("total", [GIB // 2, GIB, 2 * GIB, 8 * GIB, 11 * GIB, 24 * GIB, 80 * GIB, 141 * GIB])
def test_the_smallest_share_that_is_named_works_and_leaves_room(total: int) -> None:
    problem = share_problem(0.001, total)
    named = float(problem.rpartition(" ")[2])
    assert share_problem(named, total) == ""
    assert share_problem(0, total) == share_problem(1, total) == ""
    if named < 1:
        assert named * total - gpu.CONTEXT_BYTES >= gpu.LEAST_BYTES
        assert share_problem(named - 0.011, total), "a hundredth less does not"


@pytest.mark.parametrize(
    ("built", "message"), [(False, "is built without CUDA.*--set resources.gpus=0"), (True, "nvidia-smi")]
)
def test_who_has_no_gpu_is_told_why(monkeypatch: pytest.MonkeyPatch, built: bool, message: str) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for share in (0.5, 1, 4.0):
        for request in (device_for, keep_to_share):
            with pytest.raises(NoGpuError, match=message):
                request(share)


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("HIP error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]
OTHER = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (128x10 and 12x4)"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    ValueError("CUDA error: out of memory"),
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_gpu_is_recognised_whoever_says_it(error: Exception) -> None:
    assert is_out_of_memory(error)
    wrapped = ValueError("the compiler failed")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert not is_out_of_memory(error)
