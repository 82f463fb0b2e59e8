"""What records say: the best configuration, reports, accuracy under attack."""
