"""Models: parameter counts worked out by hand from the papers, and logits that padding cannot change."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropattack import UsageError, create
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.models.embedding import embedding
from trainables.workloads import workload_named

VOCABULARY = 1000
TEXT_WORKLOADS = ["imdb-lstm", "imdb-textcnn", "imdb-textrcnn", "pheme-bilstm", "pheme-bigru", "agnews-bigru"]


def data(classes: int, vectors: Tensor | None = None, known: Tensor | None = None) -> Data:
    nothing = ImageSplit(torch.empty(0), torch.empty(0, dtype=torch.int64))
    extras = {"vocabulary_size": VOCABULARY, "vectors": vectors, "known": known}
    return Data(nothing, nothing, nothing, classes, "checksum", extras=extras)


def recurrent(gates: int, inputs: int, hidden: int = 300) -> int:
    """Weights of one direction of one layer: input and hidden matrix, and torch's two biases."""
    return gates * (inputs * hidden + hidden * hidden + 2 * hidden)


EMBEDDING = VOCABULARY * 300
# Convolutions: out × (in × k² + 1). The 13 of VGG-16, each with a normalisation of 2 × out.
CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
VGG = sum(out * (inside * 9 + 1) + 2 * out for inside, out in pairwise(CHANNELS))
COUNTS: dict[str, tuple[int, int]] = {
    # 6(25+1) + 16(6·25+1) + 120(400+1) + 84(120+1) + 10(84+1)
    "mnist-lenet5": (10, 61_706),
    "fashion-lenet5": (10, 61_706),
    # 20(25+1) + 50(20·25+1) + 500(50·16+1) + 10(500+1)
    "mnist-lenet": (10, 431_080),
    "fashion-lenet": (10, 431_080),
    # 64(3·25+1) + 128(64·25+1) + 120(128·25+1) + 84(120+1) + 10(84+1)
    "cifar10-conv": (10, 604_926),
    "cifar10-vgg16": (10, VGG + 4096 * 513 + 4096 * 4097 + 10 * 4097),
    "imdb-lstm": (2, EMBEDDING + recurrent(4, 300) + 2 * 301),
    "pheme-bilstm": (2, EMBEDDING + 2 * recurrent(4, 300) + 2 * 601),
    "pheme-bigru": (2, EMBEDDING + 2 * recurrent(3, 300) + 2 * 601),
    "agnews-bigru": (4, EMBEDDING + 2 * recurrent(3, 300) + 2 * recurrent(3, 600) + 4 * 601),
    "imdb-textcnn": (2, EMBEDDING + 100 * (300 * (3 + 4 + 5) + 3) + 2 * 301),
    "imdb-textrcnn": (2, EMBEDDING + 2 * recurrent(4, 300) + 100 * 901 + 2 * 101),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_those_worked_out_by_hand(name: str) -> None:
    classes, expected = COUNTS[name]
    with torch.device("meta"):
        model = workload_named(name).architecture.build(data(classes))
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


SHAPES = {
    "mnist-lenet5": {"conv1.w": (6, 1, 5, 5), "conv1.b": (6,), "conv2.w": (16, 6, 5, 5), "fc1.w": (120, 400)},
    "mnist-lenet": {"conv2.w": (50, 20, 5, 5), "fc1.w": (500, 800), "fc2.b": (10,)},
    "fashion-lenet": {"conv2.w": (50, 20, 5, 5), "fc1.w": (500, 800), "fc2.b": (10,)},
    "cifar10-conv": {"conv1.w": (64, 3, 5, 5), "fc1.w": (120, 3200), "fc2.w": (84, 120), "fc3.b": (10,)},
    "cifar10-vgg16": {
        "conv1.w": (64, 3, 3, 3),
        "conv6.w": (256, 256, 3, 3),
        "conv13.w": (512, 512, 3, 3),
        "bn1.w": (64,),
        "bn8.w": (512,),
        "fc1.w": (4096, 512),
        "fc3.w": (10, 4096),
    },
    "imdb-lstm": {
        "input": (VOCABULARY, 300),
        "lstm.ih.w": (1200, 300),
        "lstm.hh.w": (1200, 300),
        "fc.w": (2, 300),
    },
    "pheme-bilstm": {"lstm.hh.w": (1200, 300), "lstm.ih.w.reverse": (1200, 300), "fc.w": (2, 600)},
    "agnews-bigru": {
        "gru.ih.w": (900, 300),
        "gru.ih.w.reverse": (900, 300),
        "gru2.ih.w": (900, 600),
        "fc.w": (4, 600),
    },
    "imdb-textcnn": {"conv1.w": (100, 300, 3), "conv3.w": (100, 300, 5), "fc.w": (2, 300)},
    "imdb-textrcnn": {"lstm.ih.w": (1200, 300), "fc1.w": (100, 900), "fc2.w": (2, 100)},
}


@pytest.mark.parametrize("name", SHAPES)
def test_targets_are_tensors_of_the_papers_sizes(name: str) -> None:
    workload = workload_named(name)
    with torch.device("meta"):
        parameters = dict(workload.architecture.build(data(COUNTS[name][0])).named_parameters())
    assert set(workload.targets.values()) == set(parameters)
    for target, shape in SHAPES[name].items():
        assert parameters[workload.targets[target]].shape == shape


ROWS = {
    "imdb-lstm": ["Embedding", "Embedding+Fc.w", "Embedding+Lstm.hh.w+Lstm.ih.w", "Lstm.ih.w"],
    "pheme-bilstm": ["Embedding+Lstm.hh.w", "Lstm.ih.w", "Fc.w"],
    "agnews-bigru": ["Embedding+Gru.ih.w+Gru.ih.w.reverse", "Gru.hh.w", "Fc.w"],
    "mnist-lenet5": ["Input+Conv.1.w", "Conv.1.b+Conv.2.w", "Conv.2.w+Fc.1", "Conv1.w+Conv2.w+fc1.w2"],
    "cifar10-vgg16": ["Input+Conv.1.w", "Conv.3.w", "Conv.5.w+Conv.6.w", "BatchNorm.1.w", "BatchNorm.8.w"],
}
PARAMETERS = {
    "Embedding": "embedding.weight",
    "Fc.w": "fc.weight",
    "Lstm.ih.w": "rnn.weight_ih_l0",
    "Lstm.hh.w": "rnn.weight_hh_l0",
    "Gru.ih.w": "rnn.weight_ih_l0",
    "Gru.hh.w": "rnn.weight_hh_l0",
    "Gru.ih.w.reverse": "rnn.weight_ih_l0_reverse",
    "Fc.1": "fc1.weight",
    "fc1.w2": "fc1.weight",
    "BatchNorm.1.w": "features.1.weight",
    "BatchNorm.8.w": "features.25.weight",
}
LENET = {"Conv.1.w": "conv1.weight", "Conv.1.b": "conv1.bias", "Conv.2.w": "conv2.weight"}
LENET |= {"Conv1.w": "conv1.weight", "Conv2.w": "conv2.weight"}
VGG_CONVOLUTIONS = {
    f"Conv.{k}.w": f"features.{i}.weight" for k, i in ((1, 0), (2, 3), (3, 7), (5, 14), (6, 17))
}


@pytest.mark.parametrize("name", ROWS)
def test_the_rows_of_tables_5_to_9_resolve(name: str) -> None:
    workload = workload_named(name)
    meant = PARAMETERS | (VGG_CONVOLUTIONS if name == "cifar10-vgg16" else LENET)
    for row in ROWS[name]:
        names = workload.canonical_targets(row).split("+")
        found = {workload.targets.get(target, target) for target in names}
        assert found == {meant.get(written, "input") for written in row.split("+")}


@pytest.mark.parametrize("name", TEXT_WORKLOADS)
def test_a_texts_logits_do_not_depend_on_its_batch(name: str) -> None:
    """Alone, beside a longer text, in any order: the same logits, whatever stands in the padding."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"embedding_size": 20}
    settings |= {"channels": 10} if "textcnn" in name else {"hidden": 15}
    model = workload_named(name).model_settings(settings).build(data(2)).double().eval()
    texts = [torch.randint(2, VOCABULARY, (length,)) for length in (9, 4, 1)]
    alone = [model(text[None], torch.tensor([len(text)])) for text in texts]
    for order in ([0, 1, 2], [2, 0, 1]):
        tokens = torch.full((3, 11), 1)
        for row, index in enumerate(order):
            tokens[row, : len(texts[index])] = texts[index]
        together = model(tokens, torch.tensor([len(texts[index]) for index in order]))
        for row, index in enumerate(order):
            torch.testing.assert_close(together[row], alone[index][0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "shape"), [("mnist-lenet", (1, 28, 28)), ("cifar10-conv", (3, 32, 32))])
def test_dropens_models_drop_what_enters_the_last_layer(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = workload_named(name).model_settings({"channels1": 3, "channels2": 4}).build(data(10)).double()
    seen: list[Tensor] = []
    model.fc[-1].register_forward_hook(lambda _, args, __: seen.append(args[0].detach()))
    images = torch.rand(40, *shape, dtype=torch.float64)
    assert model.eval()(images).shape == (40, 10)
    model.train()(images)
    whole, dropped = seen
    kept = dropped != 0
    torch.testing.assert_close(dropped, 2 * whole * kept)
    assert abs((kept & (whole != 0)).sum() / (whole != 0).sum() - 0.5) < 0.1


@pytest.mark.parametrize("name", ["imdb-lstm", "agnews-bigru", "imdb-textrcnn"])
def test_the_method_dropout_drops_what_recurrent_layers_read(name: str) -> None:
    torch.manual_seed(0)
    model = workload_named(name).model_settings({"hidden": 4, "embedding_size": 30}).build(data(2))
    seen: list[Tensor] = []
    model.rnn.register_forward_hook(lambda module, args, output: seen.append(args[0].detach()))
    batch = (torch.randint(2, 9, (20, 8)), torch.full((20,), 8)), torch.arange(20) % 2
    create("dropout", rate=0.3).step(model, batch, torch.optim.SGD(model.parameters(), lr=0.0))
    (read,) = seen
    assert abs((read == 0).double().mean() - 0.3) < 0.03
    whole = model.embedding(batch[0][0]).detach()
    torch.testing.assert_close(read[read != 0], whole[read != 0] / 0.7)


def test_the_bigru_reads_both_ends() -> None:
    """Against the cell's equations: the last forward and the first backward state, joined."""
    torch.manual_seed(0)
    architecture = workload_named("pheme-bigru").model_settings({"hidden": 4, "embedding_size": 3})
    model = architecture.build(data(2)).double()
    text = torch.tensor([5, 6, 7])

    def run(steps: Tensor, suffix: str) -> Tensor:
        weights = {name: p for name, p in model.rnn.named_parameters() if ("reverse" in name) == bool(suffix)}
        w_ih, w_hh, b_ih, b_hh = weights.values()
        h = torch.zeros(4, dtype=torch.float64)
        for x in steps:
            (ri, zi, ni), (rh, zh, nh) = (w_ih @ x + b_ih).chunk(3), (w_hh @ h + b_hh).chunk(3)
            r, z = torch.sigmoid(ri + rh), torch.sigmoid(zi + zh)
            h = (1 - z) * torch.tanh(ni + r * nh) + z * h
        return h

    embedded = model.embedding.weight[text]
    joined = torch.cat([run(embedded, ""), run(embedded.flip(0), "_reverse")])
    expected = model.fc.weight @ joined + model.fc.bias
    torch.testing.assert_close(model(text[None], torch.tensor([3]))[0], expected)


def test_textcnn_takes_the_largest_answer_of_every_window() -> None:
    torch.manual_seed(0)
    architecture = workload_named("imdb-textcnn").model_settings(
        {"widths": "2, 3", "channels": 2, "embedding_size": 3}
    )
    assert architecture.to_dict()["widths"] == "2,3"
    model = architecture.build(data(2)).double()
    text = torch.tensor([5, 6, 7, 8])
    pooled = []
    for window, convolution in zip((2, 3), model.convolutions, strict=True):
        answers = [
            (convolution.weight * model.embedding.weight[text[i : i + window]].T).sum((1, 2))
            + convolution.bias
            for i in range(len(text) - window + 1)
        ]
        pooled.append(torch.stack(answers).amax(0).clamp(min=0))
    expected = model.fc.weight @ torch.cat(pooled) + model.fc.bias
    torch.testing.assert_close(model(text[None], torch.tensor([4]))[0], expected)


@pytest.mark.parametrize("widths", ["", "0", "3,x", "3;4"])
def test_windows_that_are_no_widths_are_refused(widths: str) -> None:
    with pytest.raises(UsageError, match="widths must be whole numbers"):
        workload_named("imdb-textcnn").model_settings({"widths": widths})


def test_words_with_a_vector_take_it_and_the_others_are_drawn() -> None:
    torch.manual_seed(0)
    known, vectors = torch.tensor([3, 7]), torch.arange(100.0).view(2, 50)
    module = embedding(data(2, vectors, known), size=300)
    assert module.weight.shape == (VOCABULARY, 50)
    assert module.weight.requires_grad
    assert torch.equal(module.weight[known], vectors)
    others = module.weight[torch.arange(VOCABULARY) > 7]
    assert others.std().item() == pytest.approx(1, abs=0.02)
    assert others.mean().abs().item() < 4 / math.sqrt(others.numel())


def test_vgg_starts_with_he_initialisation_and_its_loss_falls() -> None:
    torch.manual_seed(0)
    model = workload_named("cifar10-vgg16").model_settings({"hidden": 64}).build(data(10))
    convolution = model.features[40]
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    assert not convolution.bias.any()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    labels = torch.arange(16) % 10
    images = (torch.rand(16, 3, 32, 32) + labels[:, None, None, None] / 5) / 3
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5


def test_a_text_model_needs_text() -> None:
    plain = data(2)
    images = Data(plain.train, plain.valid, plain.test, 2, "checksum")
    with pytest.raises(UsageError, match="needs a text dataset"):
        workload_named("imdb-lstm").architecture.build(images)
