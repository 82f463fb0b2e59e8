"""Requests that nobody would write, made from those that people do."""
