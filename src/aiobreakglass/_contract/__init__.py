"""Define what every store owes its callers, and check what callers pass."""
