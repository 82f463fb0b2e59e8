"""Attacks on inputs, grids of them, and signs of masked gradients."""
