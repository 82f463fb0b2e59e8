"""LSTM and GRU classifiers of the DropAttack paper (section 4.2), in one direction or both."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from typing_extensions import override

from dropattack import INPUT, setting
from trainables.architecture import Architecture, named
from trainables.data.dataset import Data
from trainables.models.embedding import embedding
from trainables.models.reading import ReadingGRU, ReadingLSTM

_CELLS: Mapping[str, type[ReadingLSTM] | type[ReadingGRU]] = {"lstm": ReadingLSTM, "gru": ReadingGRU}


@dataclass(frozen=True, kw_only=True)
class RecurrentArchitecture(Architecture):
    """Sizes of a recurrent classifier; the paper's IMDB LSTM by default: 300-300, FC 300-2."""

    cell: str = setting("lstm", "Recurrent cell.", choices=("lstm", "gru"))
    hidden: int = setting(300, "Width of the hidden state, per direction.", low=1)
    layers: int = setting(1, "Recurrent layers.", low=1)
    bidirectional: bool = setting(False, "Whether the text is read in both directions.")
    embedding_size: int = setting(300, "Columns of the embedding; word vectors bring their own.", low=1)
    dropout: float = setting(0.0, "Dropout before the recurrent and the final layer.", low=0, high=1)

    @override
    def build(self, data: Data) -> "Recurrent":
        return Recurrent(embedding(data, self.embedding_size), data.classes, self)

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """See `Architecture.targets`; bare names are the first layer's forward direction.

        ``lstm.ih.w`` stands for ``rnn.weight_ih_l0``, ``.reverse`` for the other direction, ``lstm2`` for the
        second layer.
        """
        names = {INPUT: "embedding.weight"}
        for layer in range(self.layers):
            prefix = self.cell if layer == 0 else f"{self.cell}{layer + 1}"
            for suffix in ("", "_reverse") if self.bidirectional else ("",):
                for short, full in (("w", "weight"), ("b", "bias")):
                    for part in ("ih", "hh"):
                        name = f"{prefix}.{part}.{short}{suffix.replace('_', '.')}"
                        names[name] = f"rnn.{full}_{part}_l{layer}{suffix}"
        return names | named({"fc": "fc"})


class Recurrent(nn.Module):
    """Embedding, recurrent layers, and one linear layer on the last layer's final hidden state.

    Args:
        embedding: Maps token ids to vectors.
        classes: Number of outputs.
        sizes: Widths and directions.
    """

    def __init__(self, embedding: nn.Embedding, classes: int, sizes: RecurrentArchitecture) -> None:
        super().__init__()
        self.embedding = embedding
        self.rnn = _CELLS[sizes.cell](
            embedding.embedding_dim,
            sizes.hidden,
            num_layers=sizes.layers,
            bidirectional=sizes.bidirectional,
            batch_first=True,
        )
        self.fc = nn.Linear((2 if sizes.bidirectional else 1) * sizes.hidden, classes)
        self.dropout = nn.Dropout(sizes.dropout)

    @override
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Maps token ids ``[batch, longest]`` and CPU lengths ``[batch]`` to logits ``[batch, classes]``.

        Padding never reaches the recurrent layers.
        """
        embedded = self.dropout(self.embedding(tokens))
        _, final = self.rnn(embedded, lengths)
        logits: Tensor = self.fc(self.dropout(final))
        return logits
