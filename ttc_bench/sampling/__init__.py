"""Making samples exist: what is asked for, what is stored, what is still missing."""
