"""The training loop: one trial, epoch by epoch."""
