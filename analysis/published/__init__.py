"""The numbers that the three papers print, as data, and their comparison with what was measured here."""

from analysis.published.comparison import compare
from analysis.published.layout import Printed, printed
from analysis.published.tables import PAPERS, as_records, conditions, contradictions, load, unprinted
from analysis.published.verdicts import half_width, verdict

__all__ = [
    "PAPERS",
    "Printed",
    "as_records",
    "compare",
    "conditions",
    "contradictions",
    "half_width",
    "load",
    "printed",
    "unprinted",
    "verdict",
]
