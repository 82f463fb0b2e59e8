"""Mutated sweep files, ``--set`` values and command lines, each from a number: the same ones every time."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dropattack import registered
from trainables.recipe.settings import TrainingSettings

BASE = """
name: mine
summary: A small sweep.
workload: digits-lenet5
seeds: [0, 1]
select: {metric: accuracy}
training: {epochs: 2, learning_rate: 0.003, batch_size: [64, 128]}
resources: {cpus: 1, lanes: 1}
limits: {trials: 30, hours: 1.5}
scales:
  quick: {training.epochs: 1}
stages:
  - name: grid
    methods:
      standard: {}
      dropattack: {targets: [input, conv1.w+fc1.w], epsilon: [0.1, 1], p: 0.5, k: 1}
    exclude: [{targets: input, epsilon: 1}]
  - name: search
    search: {kind: random, trials: 4}
    scheduler: {kind: asha, grace_period: 1}
    methods:
      fgm: {epsilon: {low: 0.01, high: 1.0, log: true}}
  - name: confirm
    search: {kind: confirm, seeds: [7, 8]}
"""
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**62, -(2**62), 10**15, 1e308, 1e-320, float("inf"), float("nan")),
    *("", " ", "x", "x" * 300, "é", "\x1b[31mred", "\u202e", "[/]", "[red]", "%s{}", "null", "~", "1e400"),
    *("os:abort", "builtins:exit", "okmod:x", "no:such", ":", "a:", ":b", "..:x", "okmod:", "okmod:raises"),
    *("okmod:ends", "okmod:number", "exits:x", "raises:x", "syntax:x", "okmod.py:x", "x" * 260 + ":f"),
    *("../../etc/passwd", "/", ".", "..", "a/b", "demo", "demo.yaml", "-", "--help", "\n", "a\nb"),
    *([], [[]], [None], [1, "a"], ["x"] * 300, [0] * 300, list(range(60)), {}, {"": 1}, {"a": {"b": []}}),
    *({"low": 1, "high": 2}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}, {"kind": "x"}),
    *({"low": 0, "high": 1e9, "step": 1e-9}, {"subsets": ["input", "fc1.w"]}, {"subsets": []}, "input+input"),
    *("input+" * 200 + "input", "*", "?*", "[", "(" * 50, "layer1.*", "pgd-20_0.3_accuracy", "pgd-x", "asha"),
)
"""Values that are not meant anywhere, or somewhere else."""
JUNK = (
    *("[", "]", "{", "}", ":", "- ", "&a ", "*a", "!!set ", "!!python/object:os.system ", "|", ">", "%", "@"),
    *("\t", '"', "'", "#", "---\n", "...\n", "<<: ", "? ", "\x00", "\x1b", "\ufeff", "9" * 5000, "[" * 300),
    *("0x", "1e", ".inf", "~", "\r", "\u2028", "é", "!!int ", "!!binary ", "!!timestamp ", "=", "\ud83d"),
)
"""What YAML gives a meaning to, or cannot read."""
COMMANDS = (
    *("plan", "sweeps", "status", "workloads", "methods", "targets", "best", "report", "robustness", "ui"),
    *("store", "store check", "data", "data verify", "submit", "", "runn"),
)
"""Those that start nothing where nothing has been run."""
OPTIONS = (
    *("--store", "--data", "--set", "--scale", "--tracking-uri", "--json", "--yaml", "--format", "--against"),
    *("--watch", "--port", "--attacks", "--mend", "--help", "--version", "--stoer", "-x", "--", "--no-wait"),
    *("--address", "--import", "--landscape", "--only", "--points", "--examples"),
)


_PLAIN = "name: mine\nworkload: {workload}\nstages: [{{name: grid, methods: {{{method}: {{}}}}}}]\n"
WHOLE = (
    *(
        "",
        "~",
        "3",
        "[]",
        "{}",
        "a: 1",
        "\ufeff",
        "\x00",
        "&a [*a]",
        "a: &b {c: *b}",
        "!!set {a, b}",
        "? [a]\n: b",
    ),
    *("[" * 300 + "]" * 300, "{a: " * 300 + "1" + "}" * 300, "- " * 300 + "1", f"seeds: [{'9' * 5000}]"),
    "a: &a ["
    + "1," * 99
    + "]\nb: &b ["
    + "*a," * 99
    + "]\nc: &c ["
    + "*b," * 99
    + "]\nd: ["
    + "*c," * 99
    + "]",
    *(
        _PLAIN.format(workload=name, method="standard")
        for name in ("os:abort", "builtins:exit", "builtins:input", "okmod:x", "okmod:raises", "okmod:ends")
    ),
    *(_PLAIN.format(workload=name, method="standard") for name in ("exits:x", "raises:x", "x" * 300, "..:x")),
    *(_PLAIN.format(workload="digits-lenet5", method=name) for name in ("os:abort", "okmod:x", "x" * 300)),
    BASE.replace("name: mine", f"name: {'x' * 300}"),
    BASE.replace("seeds: [0, 1]", f"seeds: [{'9' * 5000}]"),
)
"""Files that are wrong in ways of their own."""


def sweep_text(number: int) -> str:
    """A sweep file that is not what it was."""
    if number < len(WHOLE):
        return WHOLE[number]
    draw = random.Random(number)
    text = BASE
    if number % 2:
        values = yaml.safe_load(BASE)
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            _change(values, draw)
        return str(yaml.dump(values, allow_unicode=True))
    for _ in range(draw.choice((1, 1, 2, 4))):
        text = _changed(text, draw)
    return text


SETTINGS = (
    *(f"training.{name}" for name in TrainingSettings().to_dict()),
    *("select.metric", "select.mode", "workload", "workloads", "seeds", "name", "summary", "model.width"),
    *("resources.cpus", "resources.gpus", "resources.concurrent", "resources.lanes", "resources.compile"),
    *("limits.trials", "limits.hours", "limits.passes", "limits.gpu_hours", "stages.search.search.kind"),
    *("stages.search.search.trials", "stages.search.search.patience", "stages.search.search.warm_start"),
    *("stages.search.scheduler.reduction_factor", "stages.search.budget", "stages.grid.workloads"),
    *("stages.grid.methods.dropattack.targets", "stages.grid.methods.dropattack.norm", "stages.grid.exclude"),
    *(f"stages.grid.methods.{name}" for name in registered()),
    *("stages.confirm.search.top", "stages.confirm.search.seeds", "stages.confirm.search.controls"),
)
"""Places of a sweep, most of which the base leaves out."""
NUMBERS = (
    *("0", "1", "2", "3", "0.5", "1e-3", "-1", "64", "1000", "100000", "1000000000", "1e9", "1e300", "true"),
    *("[1, 2]", "[0.1, 0.3]", "{low: 1, high: 3}", "{low: 0.1, high: 1, log: true}"),
    *("{low: 1, high: 9, step: 4}", "{low: 1, high: 1000000000, step: 1}", "[0, 1000000000]"),
)
WORDS = (
    *("{}", "null", "[true, false]", "adam", "sgd", "cosine", "float16", "bfloat16", "crop-flip", "redrawn"),
    *("leave-one-group-out", "loss", "macro_f1", "min", "drop", "merge", "fgsm:0.1", "pgd-3:0.1,0.3"),
    *("optuna", "random", "demo", "digits-lenet5", "[digits-lenet5, breast-cancer-mlp]", "diabetes-mlp"),
    *("mnist-lenet5", "imdb-lstm", "input", "conv1.w+fc1.b", "{targets: [first, last], epsilon: 1}", "auto"),
    *("{subsets: [input, fc1.w]}", "sample", "passes", "[equal-passes]", "[same-updates]"),
    *("{epsilon: {low: 0, high: 1}}", "[{targets: input}]"),
)
"""Values that are meant somewhere."""


def override(number: int) -> str:
    """What ``--set`` gets: a place in a sweep, or none, and a value."""
    draw = random.Random(number)
    if number % 2:
        value = draw.choice(draw.choice((NUMBERS, WORDS, tuple(map(_written, ODD)))))
        return f"{draw.choice(SETTINGS)}={value}"
    place = draw.choice(list(_places(yaml.safe_load(BASE))))
    parts = ["stages", *place[1:]] if place[:1] == ["stages"] else place
    if place[:1] == ["stages"] and len(place) > 1:
        parts = ["stages", draw.choice(("grid", "search", "confirm", "none")), *place[2:]]
    if draw.random() < 0.2:
        parts = [*parts, str(draw.choice(ODD))[:40]]
    value = draw.choice((*map(_written, ODD), *JUNK))
    path = ".".join(map(str, parts))
    return draw.choice((f"{path}={value}", f"{path}={value}", path, f"={value}", f"{path}.={value}", value))


def words(number: int, file: Path) -> list[str]:
    """A command with arguments and options that may not be its own."""
    draw = random.Random(number)
    named = draw.choice(COMMANDS).split()
    nouns = ("demo", "digits-lenet5", "dropattack", "mnist", "none", str(file), str(file.parent))
    values = [*nouns, *(str(value).replace("\0", "")[:400] for value in ODD), "99999", "0", "sqlite:///x.db"]
    for _ in range(draw.randrange(4)):
        named += draw.choice(([draw.choice(OPTIONS)], [draw.choice(values)], [draw.choice(nouns)]))
        if named[-1].startswith("--") and draw.random() < 0.8:
            named.append(draw.choice(values))
    return named


def _written(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, width=10**6)).removesuffix("...\n").strip()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[list[Any]]:
    if path:
        yield list(path)
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in pairs:
        yield from _places(inside, (*path, key))


def _change(values: Any, draw: random.Random) -> None:
    *parents, last = draw.choice(list(_places(values)))
    node = values
    for part in parents:
        node = node[part]
    what = draw.random()
    if what < 0.7:
        node[last] = copy.deepcopy(draw.choice(ODD))
    elif what < 0.8:
        del node[last]
    elif isinstance(node, dict):
        node[draw.choice(ODD[14:40])] = node.pop(last)
    else:
        node.append(copy.deepcopy(draw.choice((*ODD, node[0]))))


def _changed(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    lines = text.splitlines(keepends=True)
    line = draw.randrange(len(lines)) if lines else 0
    match draw.randrange(7):
        case 0:
            return text[:at] + draw.choice(JUNK) + text[at:]
        case 1:
            return text[:at]
        case 2:
            return text[:at] + text[at + draw.randrange(1, 12) :]
        case 3:
            return "".join(lines[:line] + lines[line + 1 :])
        case 4:
            return "".join(lines[: line + 1] + lines[line:])
        case 5:
            return "".join([*lines[:line], " " * draw.randrange(1, 4), *lines[line:]])
        case _:
            other = draw.randrange(len(text) + 1)
            return text[: min(at, other)] + text[max(at, other) :] + text[min(at, other) : max(at, other)]
