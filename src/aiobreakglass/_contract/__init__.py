"""What every store owes its callers, and the checks of what they pass."""
