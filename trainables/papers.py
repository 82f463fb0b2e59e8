"""The workloads of the papers and of the first steps."""

from trainables.datasets.digits import Digits
from trainables.datasets.idx import FASHION, MNIST
from trainables.models.lenet5 import LeNet5Architecture
from trainables.workloads import Workload, register_workload

register_workload(
    Workload(
        name="digits-lenet5",
        summary="LeNet-5 on scikit-learn's 1,797 digits; bundled, for first steps and tests.",
        dataset=Digits(),
        architecture=LeNet5Architecture(),
    )
)
register_workload(
    Workload(
        name="mnist-lenet5",
        summary="LeNet-5 on MNIST, 50k/10k/10k (Tables 2, 4 and 8).",
        dataset=MNIST,
        architecture=LeNet5Architecture(),
    )
)
register_workload(
    Workload(
        name="fashion-lenet5",
        summary="LeNet-5 on FashionMNIST, 50k/10k/10k (adversarial perturbation bias, Figure 2).",
        dataset=FASHION,
        architecture=LeNet5Architecture(),
    )
)
