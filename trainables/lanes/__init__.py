"""Many trials of one structure trained as one model; only the adapter to Ray knows of this folder."""

from trainables.lanes.loop import Lanes, lane_structure, stackable

__all__ = ["Lanes", "lane_structure", "stackable"]
