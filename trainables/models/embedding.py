"""The embedding that every text model starts with."""

from torch import nn

from dropattack import UsageError
from trainables.data.dataset import Data


def embedding(data: Data, size: int) -> nn.Embedding:
    """A trainable embedding of the data's vocabulary.

    Rows are drawn from N(0, 1), as in the DropAttack notebooks. A word with a vector starts from it, and the
    vectors then decide the size.

    Args:
        data: A text dataset's data.
        size: Number of columns, if the data have no vectors.

    Raises:
        UsageError: The data are not text.
    """
    if "vocabulary_size" not in data.extras:
        raise UsageError("a text model needs a text dataset; this one has no vocabulary")
    vectors = data.extras["vectors"]
    columns = size if vectors is None else vectors.shape[1]
    module = nn.Embedding(data.extras["vocabulary_size"], columns)
    if vectors is not None:
        weight = module.weight.detach()
        weight[data.extras["known"]] = vectors
    return module
