"""The engine's trials on Ray: placed, run in stacks, and reported."""
