"""Settings that attacking methods share: which steps attack, and how the model's dropout draws its masks."""

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from dropattack.settings import Settings, setting

FRESH, SAME = "fresh", "same"


@dataclass(frozen=True, kw_only=True)
class ScheduledSettings(Settings):
    """Hyperparameters of a method that may leave steps to standard training.

    Attributes:
        start: Share of the training after which the method's own steps begin. Steps before it are plain: one
            pass, one update. It counts whole epochs: own steps begin with the first epoch that ends beyond
            it. Zhou et al. 2024, "Sharpness-aware minimization efficiently selects flatter minima late",
            report that the last epochs bring nearly all of SAM's gain.
        interval: With n, the 1st, (n + 1)th, … step of the whole training is the method's own, and the
            others are plain.
    """

    start: float = setting(
        0.0,
        "Share of the training after which attacks begin; steps before are plain.",
        low=0,
        high=0.99,
    )
    interval: int = setting(1, "Attacks in every so many steps; the others are plain.", low=1)

    @override
    def attacks_at(self, until: float, step: int) -> bool:
        return until > self.start and step % self.interval == 0

    @override
    def passes_at(self, until: float) -> float:
        return 1 + (self.passes - 1) / self.interval if until > self.start else 1.0

    @property
    def shared(self) -> dict[str, Any]:
        """The values that are declared here, by name, for `canonical` to hand to another method."""
        return {"start": self.start, "interval": self.interval}


@dataclass(frozen=True, kw_only=True)
class AttackSettings(ScheduledSettings):
    """Hyperparameters of every method that attacks.

    Attributes:
        dropout: How the model's own dropout draws masks in the passes of one step. ``fresh`` draws new masks
            for each pass, as published code does by calling the model again. An attack is then computed on
            one sub-network and applied to another, and several passes average over masks even where ε is 0.
            ``same`` repeats the masks of the first pass, and whatever else the model draws. An attack is then
            applied where it was computed, and ε = 0 changes nothing but the size of the gradient.
    """

    dropout: str = setting(
        FRESH,
        "Masks of the model's own dropout in the passes of a step: new ones for each, or the same.",
        choices=(FRESH, SAME),
    )

    @property
    @override
    def repeats_dropout(self) -> bool:
        return self.dropout == SAME

    @property
    @override
    def shared(self) -> dict[str, Any]:
        return {**super().shared, "dropout": self.dropout}
