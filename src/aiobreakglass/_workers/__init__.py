"""Loops that work on any store."""
