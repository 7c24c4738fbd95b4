"""The contract in dicts."""
