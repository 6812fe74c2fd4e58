"""What a reviewer would ask of any run, answered from its samples alone."""
