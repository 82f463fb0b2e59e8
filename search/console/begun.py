"""How the command line begins a folder for a user's own data: a workload, a sweep, and a sample to run."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from search.console.command import refusals

_SEED = 0
Sample = Callable[[Path], None]


def init(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="table, images, texts, transformer or tensors.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder to write into; my-KIND by default.")
    ] = None,
) -> None:
    """Write a workload, a sweep and a README for data of your own, with a small sample that runs."""
    with refusals():
        for line in begin(kind, folder or Path(f"my-{kind}")):
            print(line)


def begin(kind: str, folder: Path) -> list[str]:
    """Writes the files of a kind into a folder that is new or empty.

    Returns:
        Lines to print.

    Raises:
        UsageError: The kind is unknown, the folder holds something, or it cannot be written.
    """
    from dropattack import UsageError
    from dropattack.errors import unknown

    if kind not in SAMPLES:
        raise unknown("kind of data", kind, SAMPLES)
    sample, make = SAMPLES[kind]
    module = f"my_{kind}"
    names = {"name": f"my-{kind}", "module": module, "sample": sample}
    starters = files("search") / "starters"
    texts = {
        f"{module}.py": (starters / f"{kind}.txt").read_text(encoding="utf-8"),
        "sweep.yaml": Template((starters / "sweep.yaml").read_text(encoding="utf-8")).substitute(names),
        "README.md": Template((starters / "README.md").read_text(encoding="utf-8")).substitute(names),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder: dropattack init {kind} DIR")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        make(folder / sample)
    except OSError as error:
        raise UsageError(f"cannot write into {folder} ({error.strerror}); name another folder") from error
    return [
        f"wrote {', '.join(texts)} and {sample} into {folder}",
        f"next: cd {folder} && export PYTHONPATH=$PWD && dropattack run sweep.yaml",
    ]


def _table(path: Path) -> None:
    """178 wines of three growers, with their colour in words and a few numbers missing."""
    from sklearn.datasets import load_wine

    wines = load_wine(as_frame=True)
    table = wines.frame.rename(columns={"target": "cultivar"}).replace(
        {"cultivar": {i: f"grower {i + 1}" for i in range(3)}}
    )
    table["colour"] = ["deep" if value > 5 else "pale" for value in table.pop("color_intensity")]
    table.loc[table.index % 20 == 7, "ash"] = None
    table.to_csv(path, index=False)


def _images(path: Path) -> None:
    """40 handwritten digits of each class as PNG files."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(10):
        (path / str(label)).mkdir(parents=True)
        for number, pixels in enumerate(digits.images[digits.target == label][:40]):
            Image.fromarray((pixels * 15.9).astype("uint8")).save(path / str(label) / f"{number:02}.png")


def _texts(path: Path) -> None:
    """400 made-up reviews, of which one in ten is labelled against its words."""
    import random

    draw = random.Random(_SEED)
    words = {
        "good": ["wonderful", "touching", "clever", "warm", "funny", "brilliant"],
        "bad": ["dull", "clumsy", "tiring", "cold", "noisy", "shallow"],
    }
    things = ["film", "story", "plot", "cast", "music", "ending", "scene", "script"]
    lines = ["text,label"]
    for number in range(400):
        label = ("good", "bad")[number % 2]
        said = [
            f"the {draw.choice(things)} was {draw.choice(words[label])}" for _ in range(draw.randint(1, 4))
        ]
        other = {"good": "bad", "bad": "good"}[label]
        lines.append(f"{' and '.join(said)} in take {number},{other if draw.random() < 0.1 else label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tensors(path: Path) -> None:
    """800 handwritten digits of 64 numbers each."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    np.savez(path, inputs=(digits.data[:800] / 16).astype("float32"), labels=digits.target[:800])


def _transformer(path: Path) -> None:
    """The reviews, and beside them a transformer of two small layers with random weights."""
    from trainables import vision

    library: Any = vision.transformers()
    _texts(path)
    small = path.parent / "small-bert"
    small.mkdir()
    words = sorted({word for line in path.read_text(encoding="utf-8").splitlines() for word in line.split()})
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(word for word in words if word.isalpha())]
    (small / "vocab.txt").write_text("\n".join(known), encoding="utf-8")
    library.utils.logging.disable_progress_bar()
    library.BertTokenizerFast(str(small / "vocab.txt")).save_pretrained(small)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    configuration = library.BertConfig(vocab_size=len(known), max_position_embeddings=64, **sizes)
    library.BertForSequenceClassification(configuration).save_pretrained(small)


SAMPLES: Mapping[str, tuple[str, Sample]] = {
    "table": ("wine.csv", _table),
    "images": ("digits", _images),
    "texts": ("reviews.csv", _texts),
    "transformer": ("reviews.csv", _transformer),
    "tensors": ("digits.npz", _tensors),
}
"""The name of each kind's sample, and the function that writes it."""
