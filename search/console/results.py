"""How the terminal words results: values in per cent, gains in points, configurations without their seed."""

from analysis.records.metric import Metric
from search.definition.select import Select
from search.records.record import Record


def metric_of(select: Select) -> Metric:
    """What decides in a sweep: a validation metric, or the score of several."""
    decides = select.rule.decides
    return Metric(decides.column, decides.sign > 0)


def value_text(metric: Metric, value: float) -> str:
    """A value as the report shows it.

    Examples:
        >>> value_text(Metric("valid_accuracy"), 0.9467), value_text(Metric("valid_loss"), 0.25)
        ('94.67 %', '0.25')
    """
    return f"{value * 100:.2f} %" if metric.is_fraction else f"{value:.4g}"


def gain_text(metric: Metric, gain: float) -> str:
    """A gain over the baseline, positive where it is better, as the report shows it.

    Examples:
        >>> gain_text(Metric("valid_accuracy"), 0.012), gain_text(Metric("valid_loss", False), -0.5)
        ('+1.20 points', '−0.5')
    """
    text = f"{gain * 100:+.2f}" if metric.is_fraction else f"{gain:+.4g}"
    text = text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("+-")
    return f"{text} points" if metric.is_fraction else text


def configuration_text(record: Record) -> str:
    """What a trial is called, without its seed."""
    return record.name.rpartition(" seed=")[0]


def seeds_text(number: int) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number} seed{'s' * (number != 1)}"
