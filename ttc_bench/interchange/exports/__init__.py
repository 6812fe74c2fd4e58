"""One file for each tool that our samples are written for."""
