import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread():
    """Toy tensors are too small to share: waking threads costs more than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
