"""Make, verify and harden the table, and write it as text, all from one definition."""
