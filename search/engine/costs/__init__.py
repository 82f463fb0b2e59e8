"""What trainings cost in time, before they run: from records, from a probe, and on measured GPUs."""
