"""One file for each tool or shape of file that samples are imported from."""
