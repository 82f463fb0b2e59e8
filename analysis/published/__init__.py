"""The numbers that the three papers print, as data, and their comparison with what was measured here."""

from analysis.published.tables import PAPERS, as_records, contradictions, load
from analysis.published.verdicts import compare, verdict

__all__ = ["PAPERS", "as_records", "compare", "contradictions", "load", "verdict"]
