"""What counts as right: reading an answer from a text, and comparing two answers."""
