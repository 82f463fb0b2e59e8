"""Which attacks at which ε: one text, ``fgsm:0.1,0.3+pgd-20-of-500:0.3``, and what its metrics are called."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dropattack.errors import UsageError
from dropattack.robustness.attacks import Attack
from dropattack.targets.spelling import natural_order

TRANSFER = "transfer-"
_PART = re.compile(r"(.+)-of-(0|[1-9]\d*)")
_LARGEST = 1000
_COLUMN = re.compile(r"(?:(?:train|valid|test)_)?([a-z0-9-]+)_([0-9.]+(?:e[+-]?\d+)?)_accuracy")


@dataclass(frozen=True)
class Case:
    """One attack at one ε.

    Attributes:
        attack: The attack.
        epsilon: Its radius, above 0: in pixel units for images, in the embedding's unit for texts.
        transfer: Whether another model makes the attacked inputs, which only test this one.
        examples: How many examples of a split are attacked, at most; 0 for all.
    """

    attack: Attack
    epsilon: float
    transfer: bool = False
    examples: int = 0

    @property
    def name(self) -> str:
        """The attack's name, with a mark of transfer and the number of examples."""
        part = f"-of-{self.examples}" if self.examples else ""
        return f"{TRANSFER if self.transfer else ''}{self.attack}{part}"

    @property
    def metric(self) -> str:
        """Name of the accuracy under this attack without its split, such as ``pgd-20_0.3_accuracy``."""
        return f"{self.name}_{self.epsilon:g}_accuracy"

    def left_by(self, part: str) -> str:
        """Name of the share of examples that are right after one of several attacks in turn.

        Examples:
            >>> Case.parse("autoattack", 0.1).left_by("apgd-ce")
            'autoattack_0.1_left_by_apgd-ce'
        """
        return f"{self.name}_{self.epsilon:g}_left_by_{part}"

    @classmethod
    def of_metric(cls, column: str) -> "Case | None":
        """The case that a metric measures, with or without a split before its name; ``None`` for others.

        Examples:
            >>> Case.of_metric("test_pgd-20_0.3_accuracy").epsilon
            0.3
        """
        found = _COLUMN.fullmatch(column)
        if found is None:
            return None
        try:
            return cls.parse(found[1], float(found[2]))
        except UsageError:
            return None

    @classmethod
    def parse(cls, name: str, epsilon: float) -> "Case":
        """The case of that `name`.

        Raises:
            UsageError: The attack is unknown, attacks no example, or has inputs that no other model can make.
        """
        own = name.removeprefix(TRANSFER)
        part = _PART.fullmatch(own)
        attack, examples = (Attack.parse(part[1]), int(part[2])) if part else (Attack.parse(own), 0)
        if part and not examples:
            raise UsageError(f"{name} attacks no example; write how many, as in {part[1]}-of-1000")
        if own != name and attack.in_turn:
            raise UsageError(f"{attack} attacks the model that is tested; leave {TRANSFER} out")
        return cls(attack, epsilon, own != name, examples)


def parse_grid(text: str) -> list[Case]:
    """The cases of a grid in canonical order: attacks by name, each with ε ascending.

    Args:
        text: ``ATTACK:ε,ε+ATTACK:ε``; "" for none.

    Raises:
        UsageError: An attack is unknown, or an ε is not a number in its range.

    Examples:
        >>> [case.metric for case in parse_grid("pgd-20-of-500:0.3+fgsm:.3,0.1")]
        ['fgsm_0.1_accuracy', 'fgsm_0.3_accuracy', 'pgd-20-of-500_0.3_accuracy']
    """
    cases = dict.fromkeys(_cases(text)) if text.strip() else {}
    return sorted(cases, key=lambda case: (case.transfer, natural_order(case.name), case.epsilon))


def canonical_grid(text: str) -> str:
    """The one spelling of a grid; see `parse_grid`.

    Examples:
        >>> canonical_grid("pgd-20:0.3 + fgsm:.3,0.1")
        'fgsm:0.1,0.3+pgd-20:0.3'
    """
    sizes: dict[str, list[str]] = {}
    for case in parse_grid(text):
        sizes.setdefault(case.name, []).append(f"{case.epsilon:g}")
    return "+".join(f"{name}:{','.join(values)}" for name, values in sizes.items())


def _cases(text: str) -> Iterator[Case]:
    for part in text.split("+"):
        name, colon, sizes = part.strip().partition(":")
        if not colon:
            raise UsageError(
                f"robustness {text!r} must read ATTACK:ε,ε+ATTACK:ε, as in fgsm:0.1,0.3+pgd-20:0.3"
            )
        for size in sizes.split(","):
            yield Case.parse(name.strip(), _epsilon(size))


def _epsilon(text: str) -> float:
    try:
        epsilon = float(text)
    except ValueError:
        epsilon = math.nan
    if not 0 < epsilon <= _LARGEST:
        raise UsageError(
            f"ε of an attack must be a number above 0 and at most {_LARGEST}, not {text.strip()!r}"
        )
    return float(f"{epsilon:g}")
