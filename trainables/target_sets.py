"""Targets by name, pattern and group: ``conv1.w``, ``layer1.*``, ``norms``."""

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from dropattack import INPUT, UsageError
from dropattack.errors import nearest

_NORM = re.compile(
    r"(^|[._])((bn|ln|gn|norm|batch_?norm|layer_?norm|group_?norm)\d*|(downsample|shortcut)\.1)($|[._])",
    re.IGNORECASE,
)
_ATTENTION = re.compile(r"(^|[._])(attn|attention|query|key|value|[qkvo]_(proj|lin))($|[._])", re.IGNORECASE)
_BIAS = re.compile(r"(^|[._])(bias(_\w+)?|b)$")
_LISTED = 10

GROUPS = {
    "norms": "weights and biases of normalisation layers",
    "biases": "biases of all layers",
    "attention": "layers that are called query, key, value, attention or so",
    "first": "the layer whose parameters the model lists first, except the input's embedding",
    "last": "the layer whose parameters it lists last",
}
"""Names of groups, and what they are."""


def expanded(
    name: str,
    targets: Mapping[str, str],
    valid: Sequence[str],
    owner: str,
    norms: Collection[str] | None = None,
) -> list[str]:
    """Lists the targets that a name, a pattern or a group stands for, in order of depth.

    Args:
        name: A name, pattern or group of a sweep; ``*``, ``?`` and ``[…]`` match as in a shell.
        targets: See `Architecture.targets`.
        valid: Every name of a target.
        owner: Name of the model or workload, for messages.
        norms: See `Architecture.norms`.

    Raises:
        UsageError: It stands for no target.

    Examples:
        >>> names = {f"layer{i}.{kind}": "" for i in (1, 2) for kind in ("weight", "bias")}
        >>> expanded("layer1.*", names, list(names), "mine")
        ['layer1.weight', 'layer1.bias']
        >>> expanded("biases", names, list(names), "mine")
        ['layer1.bias', 'layer2.bias']
    """
    if name in valid:
        return [name]
    if any(sign in name for sign in "*?["):
        found = [target for target in valid if fnmatchcase(target, name)]
        if not found:
            raise UsageError(f"no target of {owner} matches {name!r}; {_valid(valid)}")
        return found
    if name in GROUPS:
        if name == "norms" and norms is not None:
            found = [target for target in targets if target in norms]
        else:
            found = [target for target, path in targets.items() if _belongs(name, target, path, targets)]
        if not found:
            raise UsageError(f"{owner} has no {name} ({GROUPS[name]}); {_valid(valid)}")
        return found
    below = [target for target in valid if target.startswith(f"{name}.")]
    ending = [target for target in valid if target.endswith(f".{name}")]
    if below:
        hint = f"did you mean {name + '.*'!r}, which are {len(below)}?"
    else:
        close = ending[:3] or nearest(name, [*valid, *GROUPS])
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise UsageError(f"unknown target of {owner} {name!r}; {' '.join(filter(None, [hint, _valid(valid)]))}")


def layer_of(target: str) -> str:
    """The layer that a target belongs to, among the layers in a row from the input to the output.

    Examples:
        >>> [layer_of(name) for name in ("conv1.w", "lstm.ih.w", "layer1.0.conv1.w", "net.pooler.weight")]
        ['conv1', 'lstm', 'layer1', 'net.pooler']
        >>> layer_of("bert.encoder.layer.0.attention.query.weight")
        'bert.encoder.layer.0'
    """
    *parts, last = target.split(".")
    numbered = next((i for i, part in enumerate(parts) if any(map(str.isdigit, part))), None)
    if numbered is not None:
        return ".".join(parts[: numbered + 1])
    return ".".join(parts) if parts and last in ("weight", "bias") else target.partition(".")[0]


def _belongs(group: str, target: str, parameter: str, targets: Mapping[str, str]) -> bool:
    both = (target, parameter)
    if group == "norms":
        return any(map(_NORM.search, both))
    if group == "attention":
        return any(map(_ATTENTION.search, both))
    if group == "biases":
        return any(map(_BIAS.search, both))
    layers = list(dict.fromkeys(_layer(path) for name, path in targets.items() if name != INPUT))
    ends = {"first": layers[:1], "last": layers[-1:]}
    return target != INPUT and _layer(parameter) in ends[group]


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _valid(valid: Sequence[str]) -> str:
    more = len(valid) - _LISTED
    listed = ", ".join(valid[:_LISTED])
    rest = f" and {more} more; `dropattack targets` lists them" if more > 0 else ""
    return f"valid: {listed}{rest}; groups: {', '.join(GROUPS)}"
