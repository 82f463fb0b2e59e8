"""Models of the papers, one module each."""
