"""A sweep as data: its file, its schema, its search space, and what makes it valid."""
