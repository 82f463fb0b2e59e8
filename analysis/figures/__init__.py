"""Figures, each drawn from a tidy table alone."""
