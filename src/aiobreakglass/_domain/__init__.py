"""Hold the values and rules that all stores share; everything here is pure."""
