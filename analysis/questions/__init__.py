"""One computation for each question that a report answers."""
