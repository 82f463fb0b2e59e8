"""Many trials of one structure trained as one model; nothing else depends on this folder."""
