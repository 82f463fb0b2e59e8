"""Datasets, models and the training loop of every workload; one thin adapter to Ray."""
