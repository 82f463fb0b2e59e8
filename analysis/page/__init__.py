"""The parts of a page around its sections: its head, how to run it again, and all trials."""
