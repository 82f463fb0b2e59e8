"""What the command line does, for Python: typed, and without a console."""
