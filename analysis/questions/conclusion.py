"""What a sweep shows of one workload, before it is put into words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.questions.answers import Answer, Scale
from analysis.questions.arms import Arm, Chosen
from analysis.questions.by_size import OnExamples
from analysis.questions.layer_choice import LayerChoice
from analysis.questions.next_step import NextStep
from analysis.questions.recommendation import Recommendation
from analysis.questions.withstanding import Withstood
from analysis.records import Metric


@dataclass(frozen=True)
class Conclusion:
    """What is concluded of one workload.

    All of it holds for the training settings of the configuration that validation chooses. Searched seeds and
    fresh ones are never pooled.

    Attributes:
        workload: Its name.
        metric: The metric of the results.
        scale: Which differences matter.
        arms: All that was compared, plain training first.
        chosen: What validation chooses among attacks; nothing where there is none.
        equal_cost: The method against plain training of as many passes.
        cost_control: That plain training; nothing where it did not run with the method's seeds.
        beaten_by: The control that is not plain training and beats the method by most; nothing where none.
        equal_epochs: The method against plain training of as many epochs, at one pass per step.
        use: What to use; nothing where there is no complete trial of a candidate.
        layers: Which layers; nothing where one target set alone was tried.
        next: The next step.
        examples: How many training examples this is of; infinity for all of the split.
        other_sizes: What the method gains on other numbers of examples.
        plain_lacks: The settings in which all plain training differs from the method.
        withstood: What attacks on the trained models leave; nothing where none was made.
        doubt: Why every comparison is doubtful, in sentences; "" where nothing says so.
    """

    workload: str
    metric: Metric
    scale: Scale
    arms: Sequence[Arm]
    chosen: Chosen | None
    equal_cost: Answer
    cost_control: Arm | None
    beaten_by: Arm | None
    equal_epochs: Answer
    use: Recommendation | None
    layers: LayerChoice | None
    next: NextStep
    examples: float = math.inf
    other_sizes: Sequence[OnExamples] = ()
    plain_lacks: Sequence[str] = ()
    withstood: Withstood | None = None
    doubt: str = ""

    @property
    def method(self) -> Arm | None:
        """What validation chooses, as it was scored."""
        return next((arm for arm in self.arms if arm.is_chosen), None)

    @property
    def baseline(self) -> Arm | None:
        """Plain training at one pass per step; nothing where it did not run."""
        return next((arm for arm in self.arms if arm.is_baseline), None)
