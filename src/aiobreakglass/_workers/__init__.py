"""Run background loops on any store."""
