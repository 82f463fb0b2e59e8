"""The workloads of the papers, of the literature around them, and of the first steps."""

from dataclasses import replace

from trainables.adapters.classifiers import ResNet18OfImages
from trainables.adapters.images import ImageFolder
from trainables.adapters.tokenized import Tokenized
from trainables.adapters.transformer import TransformerArchitecture
from trainables.data.text import TextSettings
from trainables.datasets.agnews import AgNews
from trainables.datasets.cifar10 import CIFAR10
from trainables.datasets.csvtext import CsvTexts
from trainables.datasets.digits import Digits
from trainables.datasets.idx import FASHION, MNIST
from trainables.datasets.imdb import Imdb
from trainables.datasets.pheme import Pheme
from trainables.datasets.tables import BREAST_CANCER, DIABETES
from trainables.models.convolutional import ConvolutionalArchitecture, LeNetArchitecture
from trainables.models.lenet5 import LeNet5Architecture
from trainables.models.mlp import MLPArchitecture
from trainables.models.recurrent import RecurrentArchitecture
from trainables.models.resnet import ResNet18Architecture, SmallResNetArchitecture
from trainables.models.textcnn import TextCNNArchitecture
from trainables.models.textrcnn import TextRCNNArchitecture
from trainables.models.vgg16 import VGG16Architecture
from trainables.objectives import Classification, Regression
from trainables.recipe.settings import TrainingSettings
from trainables.workload import Workload

_NOTEBOOK_EPOCHS = TrainingSettings(epochs=5)
_SAM = TrainingSettings(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    augment="crop-flip",
    epochs=200,
)
_TABLE = TrainingSettings(epochs=60, batch_size=32)
_TRANSFORMER = TrainingSettings(
    optimizer="adamw", learning_rate=3e-4, schedule="linear", warmup=0.1, epochs=5, batch_size=32
)
_DROPEN = TrainingSettings(epochs=120, batch_size=1000)

PAPERS = (
    Workload(
        name="digits-lenet5",
        summary="LeNet-5 on scikit-learn's 1,797 digits; bundled, for first steps and tests.",
        dataset=Digits(),
        architecture=LeNet5Architecture(),
    ),
    Workload(
        name="mnist-lenet5",
        summary="LeNet-5 on MNIST, 50k/10k/10k (DropAttack, Tables 2, 4 and 8).",
        dataset=MNIST,
        architecture=LeNet5Architecture(),
    ),
    Workload(
        name="fashion-lenet5",
        summary="LeNet-5 on FashionMNIST, 50k/10k/10k (adversarial perturbation bias, Figure 2).",
        dataset=FASHION,
        architecture=LeNet5Architecture(),
    ),
    Workload(
        name="cifar10-vgg16",
        summary="VGG-16 with batch normalisation on CIFAR-10, 40k/10k/10k (DropAttack, Tables 2, 4 and 9).",
        dataset=CIFAR10,
        architecture=VGG16Architecture(),
    ),
    Workload(
        name="cifar10-resnet18",
        summary="ResNet-18 on CIFAR-10, 40k/10k/10k; SGD as in papers on SAM and adversarial training.",
        dataset=CIFAR10,
        architecture=ResNet18Architecture(),
        training=_SAM,
    ),
    Workload(
        name="cifar10-resnet20",
        summary="ResNet-20 of 270,000 parameters on CIFAR-10, with the same recipe.",
        dataset=CIFAR10,
        architecture=SmallResNetArchitecture(),
        training=_SAM,
    ),
    Workload(
        name="breast-cancer-mlp",
        summary="Perceptron on 569 tumours by 30 features; bundled, with AUROC among its metrics.",
        dataset=BREAST_CANCER,
        architecture=MLPArchitecture(),
        objective=Classification(metrics=("auroc", "average_precision")),
        training=_TABLE,
    ),
    Workload(
        name="diabetes-mlp",
        summary="Perceptron that predicts a disease's progress in 442 patients; bundled, a regression.",
        dataset=DIABETES,
        architecture=MLPArchitecture(),
        objective=Regression(),
        training=replace(_TABLE, best_by="rmse"),
    ),
    Workload(
        name="mnist-lenet",
        summary="LeNet 20-50-500 with dropout on MNIST, 50k/10k/10k (Dropen, Tables 1 and 2).",
        dataset=MNIST,
        architecture=LeNetArchitecture(),
        training=_DROPEN,
    ),
    Workload(
        name="fashion-lenet",
        summary="LeNet 20-50-500 with dropout on FashionMNIST, 50k/10k/10k.",
        dataset=FASHION,
        architecture=LeNetArchitecture(),
        training=_DROPEN,
    ),
    Workload(
        name="cifar10-conv",
        summary="Two convolutions and dropout on CIFAR-10, 40k/10k/10k (Dropen, Tables 1 and 2).",
        dataset=CIFAR10,
        architecture=ConvolutionalArchitecture(),
        training=_DROPEN,
    ),
    Workload(
        name="imdb-lstm",
        summary="LSTM on IMDB reviews, 40k/5k/5k (DropAttack, Tables 2-5 and 10).",
        dataset=Imdb(),
        architecture=RecurrentArchitecture(),
    ),
    Workload(
        name="imdb-textcnn",
        summary="TextCNN on IMDB reviews (DropAttack, Figure 2).",
        dataset=Imdb(),
        architecture=TextCNNArchitecture(),
    ),
    Workload(
        name="imdb-textrcnn",
        summary="TextRCNN on IMDB reviews (DropAttack, Figure 2).",
        dataset=Imdb(),
        architecture=TextRCNNArchitecture(),
    ),
    Workload(
        name="pheme-bilstm",
        summary="BiLSTM on PHEME rumours, 5145/643/637 (DropAttack, Tables 2, 4 and 6).",
        dataset=Pheme(),
        architecture=RecurrentArchitecture(bidirectional=True),
        training=_NOTEBOOK_EPOCHS,
    ),
    Workload(
        name="pheme-bigru",
        summary="BiGRU on PHEME rumours, as the DropAttack authors' notebook has it.",
        dataset=Pheme(),
        architecture=RecurrentArchitecture(cell="gru", bidirectional=True),
        training=_NOTEBOOK_EPOCHS,
    ),
    Workload(
        name="agnews-bigru",
        summary="Two BiGRU layers on AG News, 110k/10k/7.6k (DropAttack, Tables 2, 4 and 7).",
        dataset=AgNews(),
        architecture=RecurrentArchitecture(cell="gru", bidirectional=True, layers=2),
        training=_NOTEBOOK_EPOCHS,
    ),
    Workload(
        name="texts-bigru",
        summary="BiGRU on two classes of your own texts, ROOT/texts/{train,valid,test}.csv with text,label.",
        dataset=CsvTexts(),
        architecture=RecurrentArchitecture(cell="gru", bidirectional=True, hidden=100, embedding_size=100),
        data=TextSettings(vectors=""),
    ),
    Workload(
        name="imdb-transformer",
        summary="Small BERT from scratch on IMDB reviews, or a pretrained one: data.pretrained=FOLDER.",
        dataset=Tokenized(Imdb(), longest=256),
        architecture=TransformerArchitecture(),
        training=_TRANSFORMER,
    ),
    Workload(
        name="pheme-transformer",
        summary="Small BERT from scratch on PHEME rumours, or a pretrained one: data.pretrained=FOLDER.",
        dataset=Tokenized(Pheme(), longest=64),
        architecture=TransformerArchitecture(),
        training=_TRANSFORMER,
    ),
    Workload(
        name="agnews-transformer",
        summary="Small BERT from scratch on AG News, or a pretrained one: data.pretrained=FOLDER.",
        dataset=Tokenized(AgNews(), longest=128),
        architecture=TransformerArchitecture(),
        training=_TRANSFORMER,
    ),
    Workload(
        name="texts-transformer",
        summary="Small BERT, or a pretrained one, on your own texts as texts-bigru reads them.",
        dataset=Tokenized(CsvTexts(), longest=256),
        architecture=TransformerArchitecture(),
        training=_TRANSFORMER,
    ),
    Workload(
        name="images-resnet18",
        summary="ResNet-18 on images of your own: ROOT/images/CLASS/IMAGE, or {train,valid,test} above that.",
        dataset=ImageFolder("images"),
        architecture=ResNet18OfImages(),
        training=replace(_SAM, epochs=30),
    ),
)
"""Every workload that ships."""
