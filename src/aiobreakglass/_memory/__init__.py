"""Implement the contract in dicts."""
