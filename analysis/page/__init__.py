"""What stands around the sections of a page: its head, how to run it again, and all trials."""
