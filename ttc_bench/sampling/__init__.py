"""Plans, samples and stores: which samples a run needs, which are stored, which are missing."""
