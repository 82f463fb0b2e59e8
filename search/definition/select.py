"""What a sweep selects by: one metric, or several with a rule that says which configuration is best."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from analysis.aims import PASSES, SCORE, Constraint, Goal, Rule, own_mode
from dropattack.errors import unknown
from dropattack.robustness import Case
from search.definition.part import Part


def _known_metric(name: str) -> str:
    """A metric's one spelling; workloads decide whether they measure it."""
    case = Case.of_metric(name)
    if name.startswith(("train_", "valid_", "test_")) or (case is not None and case.transfer):
        own = name.removeprefix("valid_")
        hint = f"; did you mean {own!r}, which is that of validation?" if own != name else ""
        raise ValueError(
            f"{name!r} is not measured on validation while a trial trains{hint}; name a metric as accuracy, "
            "loss, or one of training.robustness such as pgd-20_0.3_accuracy"
        )
    return name if case is None else case.metric


class Aim(Part):
    """A metric of the validation split, and which way is up.

    Attributes:
        metric: A metric of the workload's objective, its ``loss``, or an accuracy under attack such as
            ``pgd-20_0.3_accuracy``.
        mode: ``max`` where more is better, ``min`` where less is. Metrics that ship, and ``passes``, know
            theirs; a metric of your own is ``max`` unless this says otherwise.
    """

    metric: Annotated[str, AfterValidator(_known_metric)] = "accuracy"
    mode: Literal["max", "min", ""] = ""

    @property
    def column(self) -> str:
        """Name of the metric in a trial's results."""
        return f"valid_{self.metric}"

    @property
    def direction(self) -> str:
        """``max`` or ``min``: the mode that is given, or the metric's own."""
        return self.mode or own_mode(self.metric)

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.direction == "min" else 1

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        if self.mode == own_mode(self.metric):
            object.__setattr__(self, "mode", "")
        return self


class Select(Aim):
    """What a sweep selects by: one metric of the workloads' objective, or several.

    An accuracy under attack, such as ``pgd-20_0.3_accuracy``, is measured after every epoch where it is the
    metric, or the first of several, so that it chooses epochs, and stops trials, as accuracy does; others are
    measured on the best epoch's model. ``training.robustness`` must hold it.

    Attributes:
        metric: The metric that chooses the epoch whose model is kept. With ``metrics`` it is the first of
            those, and this key is left out.
        metrics: Several metrics; ``passes`` among them counts the cost.
        constraints: What the best configuration must keep to, such as ``accuracy >= 0.97``.
        weights: Weights by metric: the best configuration has the largest weighted sum.
    """

    metrics: tuple[Aim, ...] = ()
    constraints: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The aims in order: one metric, or several."""
        return self.metrics or (self,)

    @property
    def several(self) -> bool:
        """Whether there is more than one aim."""
        return bool(self.metrics)

    @property
    def rule(self) -> Rule:
        """The metric that decides which configuration is best."""
        goals = tuple(Goal(aim.metric, aim.sign) for aim in self.aims)
        return Rule(goals, tuple(map(Constraint.parse, self.constraints)), self.weights or None)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """Reads a metric's name as an aim; the first of several chooses epochs."""
        if not (isinstance(raw, dict) and isinstance(raw.get("metrics"), list | tuple) and raw["metrics"]):
            return raw
        aims = [{"metric": each} if isinstance(each, str) else each for each in raw["metrics"]]
        first = aims[0] if aims and isinstance(aims[0], dict) else {}
        given = {name: raw[name] for name in ("metric", "mode") if raw.get(name)}
        if any(first.get(name) != value for name, value in given.items()):
            raise ValueError("takes metric or metrics, not both; each of metrics may have a mode of its own")
        return {**raw, **first, "metrics": aims}

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As a sweep file has it: without empty keys, and with an aim as a name if that is all."""
        plain: dict[str, Any] = handler(self)
        if not self.several:
            return {name: value for name, value in plain.items() if name in ("metric", "mode")}
        aims = [{"metric": a.metric, "mode": a.mode} if a.mode else a.metric for a in self.metrics]
        rule = {"constraints": list(self.constraints), "weights": self.weights}
        return {"metrics": aims, **{name: value for name, value in rule.items() if value}}

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        names = [aim.metric for aim in self.metrics]
        if len(names) == 1:
            raise ValueError(f"metrics has one entry; write metric: {names[0]}, or list several")
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"metrics has {twice} twice; leave one of them out")
        if SCORE in names or (names and names[0] == PASSES) or (not names and self.metric == PASSES):
            raise ValueError(
                f"{SCORE} is the name of the weighted sum; give that metric another name"
                if SCORE in names
                else "passes is a training's cost and chooses no epoch; list a metric of validation first"
            )
        if (self.constraints or self.weights) and not names:
            raise ValueError(
                "constraints and weights need several metrics, such as metrics: [accuracy, passes]"
            )
        if names and not (self.constraints or self.weights):
            raise ValueError(
                f"metrics has {len(names)} entries and no rule says which configuration is best; add "
                f'constraints: ["{names[0]} >= …"] or weights: {{{", ".join(f"{n}: 1" for n in names)}}}; '
                "you can change the rule at any time"
            )
        self._check_constraints(names)
        self._check_weights(names)
        return self

    def _check_constraints(self, names: list[str]) -> None:
        spelt = []
        for text in self.constraints:
            constraint = Constraint.parse(text)
            metric = _spelt(constraint.metric, names, "constraints")
            aim = self.metrics[names.index(metric)]
            if aim.sign != constraint.sign:
                way = ("more", ">=") if aim.sign > 0 else ("less", "<=")
                raise ValueError(f"constraints: {way[0]} {metric} is better; write {metric} {way[1]} …")
            spelt.append(f"{metric} {constraint.relation} {constraint.bound!r}")
        object.__setattr__(self, "constraints", tuple(spelt))

    def _check_weights(self, names: list[str]) -> None:
        if not self.weights:
            return
        weights = {_spelt(name, names, "weights"): weight for name, weight in self.weights.items()}
        if missing := [name for name in names if name not in weights]:
            raise ValueError(f"weights lacks {missing[0]}; give it one, or 0 to leave it out of the decision")
        if not any(weights.values()):
            raise ValueError("all weights are 0, and nothing decides; give one metric a weight above 0")
        object.__setattr__(self, "weights", weights)


def _spelt(name: str, names: list[str], where: str) -> str:
    """The one spelling of a metric that must be one of several."""
    case = Case.of_metric(name)
    metric = name if case is None else case.metric
    if metric not in names:
        raise ValueError(f"{where}: {unknown('metric of select.metrics', name, names)}")
    return metric
