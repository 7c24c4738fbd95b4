"""Give evidence from a store or a table: who had access when, and that nothing was altered."""
