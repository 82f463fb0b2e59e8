"""DropAttack's hyperparameters; each reading of what the paper omits or contradicts is a choice."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.methods.standard import MORE, SAME, StandardSettings
from dropattack.settings import EPS_ZERO, EQUAL_PASSES, SAME_UPDATES, decimal_product, setting
from dropattack.targets.spelling import INPUT, canonical_targets, is_input, parse_targets

P_ONE, P_ONE_NORM, P_ZERO, RANDOM_DIRECTION = "p-one", "p-one-norm", "p-zero", "random-direction"
_UNMASKED = {P_ONE: 1.0, P_ONE_NORM: 0.5}
"""Controls without a mask, with the power of p that stands for it."""


@dataclass(frozen=True, kw_only=True)
class DropAttackSettings(AttackSettings):
    """Hyperparameters of DropAttack; the defaults are the reading of preset ``paper``.

    "Code" below is what the authors published: four notebooks with recurrent models.

    Attributes:
        targets: Attacked tensors. Tables 5 to 9 compare sets of them.
        epsilon: ε of equation 6, the norm of a perturbation before masking; 5 in most rows of the tables.
        p: Bernoulli parameter of the masks (Algorithm 1): the probability of being attacked, not of being
            left alone. With 0 nothing can be attacked, and the step is a standard one: the paper calls p = 0
            standard training (Table 10), though its equation would give three times the clean gradient.
        k: Ascent steps K (Algorithm 2).
        control: A control experiment; the paper has none. ``eps-zero`` runs every pass with ε = 0. ``p-one``
            attacks every element with size pε (ε with ``rescale``), which raises the loss as much to first
            order. ``p-one-norm`` does so with size √p·ε (ε/√p with ``rescale``), whose square is the mean
            ‖M∘r‖² over masks. ``random-direction`` replaces each gradient by noise. ``equal-passes`` is
            standard training that goes through the data 1 + TK times an epoch. ``same-updates`` does so with
            1 + TK batches an update: as many passes and as many updates (see `StandardSettings.updates`).
        norm: Scope of the norm of equation 6: the whole ``tensor`` (code; for pixels the whole batch); each
            ``sample`` of inputs, and whole tensors of weights; each ``row`` of the first dimension; or all
            tensors of a group ``joint``-ly, as SAM does. Where one norm is over a batch of B examples, each
            gets about ε/√B, so that a short last batch is attacked harder; see `spread_over_batch`.
        step_mode: ``recompute`` starts each ascent step from the original (Algorithm 2); ``accumulate`` adds
            it to the last perturbation, up to Kε (code). Both are the same for K = 1.
        direction: ``running-sum`` of the clean gradient and the adversarial ones over K (Algorithm 2, code),
            or the ``last`` adversarial gradient alone.
        clean_weight: Factor of the clean gradient in the update: 1 in Algorithm 1 and the code; equations 5
            and 7 give 0, Algorithm 2 gives 2.
        combine: ``sum`` of the clean and T adversarial gradients (Algorithm 1, code), or their weighted
            ``mean``, which keeps the size of a gradient as in standard training.
        grouping: Which targets are attacked in one pass: ``input+hidden`` attacks the input in one and all
            others together in a second (the two terms of equation 5; the code, with two targets, leaves this
            open); ``per-target`` attacks each alone; ``joint`` attacks all in one.
        mask: What one draw decides: an ``element`` (Algorithm 1), a ``row`` or the ``tensor``.
        rescale: Divides masked perturbations by p, as dropout does; the paper and the code do not.
        text_input: For text, ``input`` is the embedding ``matrix`` (section 3, code), of which the rows in
            the batch are touched, or the vectors of its ``tokens``.
        input_ratio: ε of the input ÷ ε of the other targets (ε_x and ε_θ of equation 5, which the paper's
            tables take as equal). Without the input among the targets it is 1.
        epsilon_scale: ``absolute`` (paper, code), or ``relative`` to the norm of what is attacked: of an
            embedding matrix the rows that the batch looks up, of tokens the words. ε = 5 is a quarter of the
            norm of an LSTM's input weights, and more than three times that of LeNet-5's first kernel.
        batch_norm: Running statistics in attacked passes: ``frozen``, as is usual for SAM (paper and code are
            silent), or ``updated``.
    """

    presets: ClassVar = {"paper": {}, "notebook": {"step_mode": "accumulate"}}

    targets: str = setting(INPUT, "Attacked tensors, such as input+conv1.w (Tables 5-9).")
    epsilon: float = setting(5.0, "Perturbation size ε, an L2 norm before masking (eq. 6).", low=0)
    p: float = setting(
        0.5, "Probability of being attacked (Algorithm 1); 0 is standard training.", low=0, high=1
    )
    k: int = setting(1, "Ascent steps K (Algorithm 2).", low=1)
    control: str = setting(
        "none",
        "Control experiment in place of the attack.",
        choices=("none", EPS_ZERO, P_ONE, P_ONE_NORM, RANDOM_DIRECTION, EQUAL_PASSES, SAME_UPDATES),
    )
    norm: str = setting("tensor", "Scope of the norm in eq. 6.", choices=("tensor", "sample", "row", "joint"))
    step_mode: str = setting(
        "recompute",
        "Each step replaces the last (Algorithm 2) or adds to it.",
        choices=("recompute", "accumulate"),
    )
    direction: str = setting(
        "running-sum", "Gradient to ascend for K > 1 (Algorithm 2).", choices=("running-sum", "last")
    )
    clean_weight: float = setting(1.0, "Factor of the clean gradient (Algorithm 1).", low=0, high=2)
    combine: str = setting(
        "sum", "Sum of the gradients (Algorithm 1) or weighted mean.", choices=("sum", "mean")
    )
    grouping: str = setting(
        "input+hidden",
        "Targets attacked in one pass (eq. 5).",
        choices=("input+hidden", "per-target", "joint"),
    )
    mask: str = setting(
        "element", "What one draw of the mask decides (Algorithm 1).", choices=("element", "row", "tensor")
    )
    rescale: bool = setting(False, "Divide masked perturbations by p.")
    text_input: str = setting(
        "matrix",
        "For text, attack the embedding matrix or the tokens' vectors.",
        choices=("matrix", "tokens"),
    )
    input_ratio: float = setting(1.0, "ε of the input as a multiple of ε (ε_x and ε_θ in eq. 5).", low=0)
    epsilon_scale: str = setting(
        "absolute", "ε itself, or ε times the norm of what is attacked.", choices=("absolute", "relative")
    )
    batch_norm: str = setting(
        "frozen", "BatchNorm's running statistics in attacked passes.", choices=("frozen", "updated")
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "targets", canonical_targets(self.targets))
        if not any(map(is_input, parse_targets(self.targets))):
            object.__setattr__(self, "input_ratio", 1.0)

    @property
    @override
    def target_sets(self) -> dict[str, str]:
        return {"targets": self.targets}

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Names of the targets that are attacked in one pass, for each group."""
        names = parse_targets(self.targets)
        if self.grouping == "joint":
            return [names]
        if self.grouping == "per-target":
            return [(name,) for name in names]
        inputs = tuple(filter(is_input, names))
        return [group for group in (inputs, names[len(inputs) :]) if group]

    def epsilon_of(self, target: str) -> float:
        """ε of one target, after the control."""
        epsilon = self._controlled
        return epsilon * self.input_ratio if is_input(target) else epsilon

    @property
    def _controlled(self) -> float:
        """ε after the control, as a trial's key has it: a product is rounded to 15 digits."""
        if self.control == EPS_ZERO:
            return 0.0
        if self.control in _UNMASKED and self.p > 0:
            power = _UNMASKED[self.control] - self.rescale
            return decimal_product(self.p**power, self.epsilon)
        return self.epsilon

    @property
    def attack_p(self) -> float:
        """Probability of being attacked after the control."""
        return 1.0 if self.control in _UNMASKED else self.p

    @property
    def standard(self) -> StandardSettings | None:
        """The standard training that a step is equal to; ``None`` where something is attacked."""
        if self.p == 0:
            return StandardSettings()
        if self.control not in (EQUAL_PASSES, SAME_UPDATES):
            return None
        rounds = 1 + (self._cost - 1) / self.interval
        updates = SAME if self.control == SAME_UPDATES else MORE
        return StandardSettings(rounds=rounds, updates=updates, rounds_start=self.start)

    @property
    @override
    def adds_gradients(self) -> bool:
        return self.standard is None and self.combine == "sum"

    @property
    def _cost(self) -> int:
        return 1 + len(self.groups) * self.k

    @property
    @override
    def passes(self) -> int:
        """1 + TK for T groups; 1 where nothing is attacked."""
        return self._cost if self.standard is None else 1

    @override
    def passes_at(self, until: float) -> float:
        return super().passes_at(until) if self.standard is None else self.standard.passes_at(until)

    @override
    def rounds_at(self, until: float) -> float:
        return 1.0 if self.standard is None else self.standard.rounds_at(until)

    @property
    @override
    def control_experiment(self) -> str:
        """See `Settings.control_experiment`; ``p-zero`` where nothing can be attacked."""
        if self.p == 0:
            return P_ZERO
        return EPS_ZERO if self.control == "none" and self._untouched else self.control.replace("none", "")

    @property
    @override
    def remark(self) -> str:
        return "p = 0 attacks nothing: this is standard training" if self.p == 0 else ""

    def spread_over_batch(self, words: bool) -> bool:
        """Whether all examples of a batch share one absolute ε, so that each gets more in a short batch.

        With ε = 5 an image gets 0.44 in a batch of 128, 0.75 in a batch of 45 and 5 alone.

        Args:
            words: Whether ``input`` stands for an embedding matrix.
        """
        attacked = not (self.standard or self._untouched or self.input_ratio == 0 or self.control == EPS_ZERO)
        batched = self._has_rows(words)
        return attacked and batched and self.norm in ("tensor", "joint") and self.epsilon_scale == "absolute"

    def canonical(self, words: bool) -> Self:
        """The one spelling of all settings that attack alike, for p > 0; see `Method.canonical`.

        Args:
            words: Whether ``input`` stands for an embedding matrix.
        """
        found = self._without_control()
        if found._untouched:
            return found._passes_alone()
        found = found._without_idle_input()
        names = parse_targets(found.targets)
        if names == (INPUT,):
            epsilon = decimal_product(found.epsilon, found.input_ratio)
            found = replace(found, epsilon=epsilon, input_ratio=1.0)
        if not words or INPUT not in names:
            found = found.without("text_input")
        rows = found._has_rows(words)
        if found.norm == "row" and rows and names == (INPUT,):
            found = replace(found, norm="sample")
        if found.norm == "sample" and not rows:
            found = replace(found, norm="tensor")
        if found.norm == "joint" and all(len(group) == 1 for group in found.groups):
            found = replace(found, norm="tensor")
        return found.without(*found._idle())

    def _has_rows(self, words: bool) -> bool:
        """Whether a target has one row for each example of the batch."""
        whole = INPUT if words and self.text_input != "tokens" else ""
        return any(is_input(name) and name != whole for name in parse_targets(self.targets))

    @property
    def _untouched(self) -> bool:
        """Whether every perturbation is zero."""
        return self.epsilon == 0 or (self.input_ratio == 0 and parse_targets(self.targets) == (INPUT,))

    def _without_control(self) -> Self:
        """The same attack in ε and p alone, where a control or `rescale` is another spelling of these."""
        if self.control == EPS_ZERO:
            return replace(self, control="none", epsilon=self._controlled)
        if self.control in _UNMASKED:
            return replace(self, control="none", epsilon=self._controlled, p=1.0, rescale=False)
        if self.rescale:
            return replace(self, epsilon=decimal_product(self.epsilon, 1 / self.p), rescale=False)
        return self

    def _without_idle_input(self) -> Self:
        """The same attack without an input whose ε is 0, where it draws nothing at random and shares no norm.

        An input that is attacked in a pass of its own keeps that pass.
        """
        names = parse_targets(self.targets)
        draws = self.p < 1 or self.control == RANDOM_DIRECTION
        if self.input_ratio > 0 or draws:
            return self
        if self.grouping != "joint":
            return self.without("text_input")
        if self.norm == "joint":
            return self
        return replace(self, targets="+".join(name for name in names if name != INPUT))

    def _passes_alone(self) -> Self:
        """Where every perturbation is zero, only the number of passes counts and what becomes of them."""
        count = len(self.groups)
        names = INPUT if count == 1 else "+".join(f"target{number}" for number in range(count))
        kept = {name: getattr(self, name) for name in ("k", "clean_weight", "combine", "batch_norm")}
        grouping = "input+hidden" if count == 1 else "per-target"
        found = type(self)(targets=names, epsilon=0.0, grouping=grouping, **kept, **self.shared)
        return found.without(*found._idle())

    def _idle(self) -> list[str]:
        """Settings that have no effect beside the others."""
        idle = []
        if self.k == 1:
            idle.append("step_mode")
        if self.k == 1 or self.control == RANDOM_DIRECTION:
            idle.append("direction")
        if self.p == 1 and self.control != RANDOM_DIRECTION:  # noise is drawn after the masks
            idle.append("mask")
        if self.without("grouping").groups == self.groups:
            idle.append("grouping")
        if self.clean_weight + len(self.groups) == 1:
            idle.append("combine")
        return idle
