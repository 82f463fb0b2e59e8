"""What is known of trials, and the store that keeps it."""
