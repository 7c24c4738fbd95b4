"""Values and rules: pure, without I/O, the same for every store."""
