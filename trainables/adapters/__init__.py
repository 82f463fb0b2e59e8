"""What makes a workload of a user's own data and model: a line or two for each."""
