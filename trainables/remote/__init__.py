"""Folders at an address of an object store, and a node's copy of them."""
