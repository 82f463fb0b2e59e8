"""Models of torchvision and timm by name, on a folder of images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import UsageError
from tests.trainables.adapters.test_images import painted
from trainables import ImageFolder, Workload, timm_model, torchvision_model, vision
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import TrainingSettings, register_workload

SMALL_TIMM = "resnet10t"


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    painted(tmp_path / "pictures")
    return ImageFolder(tmp_path / "pictures", size=32)


def workload(images: ImageFolder, model: Any) -> Workload:
    return Workload("pictures", dataset=images, model=model)


def test_a_model_of_torchvision_has_its_own_names_and_as_many_classes_as_there_are(
    images: ImageFolder,
) -> None:
    own = workload(images, torchvision_model("resnet18"))
    model = own.architecture.build(own.load(Path()))
    assert model.fc.out_features == 2
    assert own.canonical_targets("layer1.0.conv?.weight") == "layer1.0.conv1.weight+layer1.0.conv2.weight"
    assert len(own.canonical_targets("norms").split("+")) >= 30
    assert own.canonical_targets("first") == "conv1.weight"
    assert own.canonical_targets("last") == "fc.bias+fc.weight"


@pytest.mark.parametrize("method", ["standard", "dropattack"])
def test_it_trains(images: ImageFolder, method: str) -> None:
    own = register_workload(workload(images, torchvision_model("squeezenet1_1")))
    try:
        values = {"targets": "input+first", "epsilon": 0.1} if method == "dropattack" else {}
        settings = TrainingSettings(epochs=1, batch_size=3)
        training = Training(Trial.make("pictures", method, values, settings, 0, "x"), own.load(Path()))
        assert training.epoch()["test_accuracy"] >= 0
    finally:
        del REGISTERED["pictures"]


def test_pretrained_weights_get_a_new_head_and_scale_their_pixels(
    images: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision: Any = vision.models()
    torch.manual_seed(0)
    published = torchvision.get_model("resnet18", weights=None)
    kind = torchvision.get_model_weights("resnet18")
    monkeypatch.setattr(kind, "get_state_dict", lambda *_, **__: published.state_dict())
    own = workload(images, torchvision_model("resnet18"))
    data = own.load(Path())
    model = own.model_settings({"pretrained": True}).build(data).eval()
    assert torch.equal(model.conv1.weight, published.conv1.weight)
    assert model.fc.out_features == 2
    pixels = torch.rand(2, 3, 32, 32)
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    published.fc = model.fc
    assert torch.allclose(model(pixels), published.eval()((pixels - mean) / spread), atol=1e-5)
    plain = own.architecture
    assert set(own.model_settings({"pretrained": True}).targets) == set(plain.targets), "names stay"


def test_weights_that_cannot_be_fetched_are_one_line(
    images: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    kind = vision.models().get_model_weights("resnet18")
    monkeypatch.setattr(kind, "get_state_dict", unreachable)
    own = workload(images, torchvision_model("resnet18"))
    with pytest.raises(UsageError, match=r"resnet18 cannot be built \(no route to host\)"):
        own.model_settings({"pretrained": True}).build(own.load(Path()))


def test_unknown_names_and_grey_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown model of torchvision 'resnet81'; did you mean 'resnet18'"):
        torchvision_model("resnet81")
    painted(tmp_path / "grey")
    own = workload(ImageFolder(tmp_path / "grey", size=32, channels=1), torchvision_model("resnet18"))
    with pytest.raises(UsageError, match="takes images of 3 channels, and these have 1"):
        _ = own.targets


def test_a_model_of_timm_takes_images_of_any_channels(tmp_path: Path) -> None:
    try:
        vision.timm()
    except UsageError as error:
        pytest.skip(str(error))
    painted(tmp_path / "grey")
    own = workload(ImageFolder(tmp_path / "grey", size=32, channels=1), timm_model(SMALL_TIMM))
    data = own.load(Path())
    model = own.architecture.build(data)
    assert isinstance(model, nn.Module)
    assert model(next(data.train.batches(2))[0]).shape == (2, 2)
    assert own.canonical_targets("biases")
    with pytest.raises(UsageError, match="unknown model of timm"):
        timm_model("resnet10x")
