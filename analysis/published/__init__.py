"""The numbers that the three papers print, as data, and their comparison with what was measured here."""

from analysis.published.comparison import compare, verdict
from analysis.published.tables import PAPERS, as_records, contradictions, load

__all__ = ["PAPERS", "as_records", "compare", "contradictions", "load", "verdict"]
