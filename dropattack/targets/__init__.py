"""What can be attacked, and what it is called: weights, rows of embeddings, pixels, token vectors."""
