"""What one GPU does with this project's trials: whether they are right, and how fast."""
