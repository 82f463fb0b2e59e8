"""The ways in which a stage of a sweep searches, as data."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from search.definition.part import Part
from search.definition.samplers import Random, Sampler, Tpe
from search.definition.seeds import Seeds
from search.definition.space import Scalar


class Grid(Part):
    """Every combination of the space, once per seed of the sweep.

    Attributes:
        kind: Names this search.
    """

    kind: Literal["grid"] = "grid"


class BestOf(Part):
    """The configurations that another sweep of the store chooses, in their order.

    Attributes:
        best_of: Name of that sweep.
        top: How many of its configurations.
    """

    best_of: str
    top: int = Field(default=1, ge=1)


PAPERS = "papers"


class Papers(Part):
    """Settings with which the DropAttack paper prints its best numbers for the workload.

    Attributes:
        papers: How many of them.
    """

    papers: int = Field(default=1, ge=1)


class Configuration(BaseModel):
    """One combination: a method, its hyperparameters beside it, and settings of training, data and model.

    What it leaves out has the workload's or the method's default.

    Attributes:
        method: The method; its hyperparameters stand beside this key.
        training: Settings of training.
        data: Settings of the dataset.
        model: Settings of the model.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    method: str
    training: dict[str, Scalar] = Field(default_factory=dict)
    data: dict[str, Scalar] = Field(default_factory=dict)
    model: dict[str, Scalar] = Field(default_factory=dict)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What is given of the method's own settings."""
        return dict(self.model_extra or {})


def _form_of_start(raw: Any) -> str:
    keys = raw if isinstance(raw, dict) else type(raw).model_fields if isinstance(raw, BaseModel) else {}
    return "best" if "best_of" in keys else "published" if "papers" in keys else "one"


Start = Annotated[
    Annotated[BestOf, Tag("best")]
    | Annotated[Papers, Tag("published")]
    | Annotated[Configuration, Tag("one")],
    Discriminator(_form_of_start),
]
"""What a search tries first."""


class Sampling(Part):
    """Combinations that a sampler draws one after the other.

    Attributes:
        kind: ``random`` draws every combination at random; ``optuna`` uses one of Optuna's samplers.
        trials: Combinations to draw.
        seeds: How many of the sweep's seeds, from the first, train each combination.
        race: Whether a combination gets its next seed only while it may still beat the best one.
        objective: What the sampler learns of a combination: its mean over seeds, or the ``lower`` end of the
            95 % interval of that mean.
        sampler: The sampler; by default the kind's own, which for ``optuna`` is ``tpe``.
        sampler_seed: Seed of the draws. It changes no trial's training.
        patience: Ends the search after so many combinations in a row that brought nothing better.
        warm_start: Other sweeps of the store whose complete trials the sampler knows from the start.
        enqueue: What the search tries first.
    """

    kind: Literal["random", "optuna"]
    trials: int = Field(ge=1)
    seeds: int = Field(default=1, ge=1)
    race: bool = False
    objective: Literal["mean", "lower"] = "mean"
    sampler: Sampler | None = None
    sampler_seed: int = 0
    patience: int | None = Field(default=None, ge=1)
    warm_start: tuple[str, ...] = ()
    enqueue: tuple[Start, ...] = ()

    @property
    def drawn_by(self) -> Sampler:
        """The named sampler, or the kind's own."""
        return self.sampler or (Random() if self.kind == "random" else Tpe())

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Reads ``sampler: tpe`` and ``enqueue: papers`` as these with their defaults."""
        if isinstance(raw, dict) and isinstance(raw.get("sampler"), str):
            raw = {**raw, "sampler": {"kind": raw["sampler"]}}
        if isinstance(raw, dict) and raw.get("enqueue") == PAPERS:
            raw = {**raw, "enqueue": [{PAPERS: 1}]}
        return raw

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.race and self.seeds < 2:
            raise ValueError("a race needs several seeds; write seeds: 8 beside race: true")
        if self.objective == "lower" and (self.race or self.seeds < 3):
            raise ValueError(
                "objective: lower needs seeds: 3 or more of each trial, without a race; write objective: mean"
            )
        if self.kind == "random" and self.drawn_by.kind != "random":
            raise ValueError(
                f"kind: random draws at random; for sampler: {self.drawn_by.kind} write kind: optuna"
            )
        return self


Control = Literal["equal-passes", "same-updates", "eps-zero", "random-direction", "p-one", "p-one-norm"]
"""A control experiment that a confirmation can run beside what it confirms."""


class Confirm(Part):
    """The best configurations of the stages before, and the baseline, trained again on fresh seeds.

    With ``arms``, the stages before are ways to train that compete, plain training among them: the stage
    confirms the best configuration of each, without a further baseline, and compares the best of those that
    ``arms`` names with the best of the others.

    Attributes:
        kind: Names this search.
        top: How many configurations to confirm.
        seeds: Seeds that no stage before has used.
        controls: Control experiments beside each configuration, on the same seeds. ``equal-passes`` is plain
            training with as many passes, ``same-updates`` the same in as many updates; the others are
            DropAttack's. With ``arms``, they are of the arm that meets the others.
        arms: The stages in question; the other stages are what they are compared with.
        margin: Largest difference that does not matter, in the metric's own unit.
    """

    kind: Literal["confirm"] = "confirm"
    top: int = Field(default=1, ge=1)
    seeds: Seeds
    controls: tuple[Control, ...] = ()
    arms: tuple[str, ...] = ()
    margin: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.arms and self.top > 1:
            raise ValueError("each arm confirms one configuration; leave out either top or arms")
        if self.margin is not None and not self.arms:
            raise ValueError("margin is for a comparison of arms; name those that are in question")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms names a stage twice")
        return self


Search = Annotated[Grid | Sampling | Confirm, Field(discriminator="kind")]
