"""The parts of a report: each asks one question of the records and answers it first in one sentence."""
