"""How a workload trains and is measured, whatever the method."""
