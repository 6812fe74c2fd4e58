"""Where problems come from: task files, data sets, seeded generators."""
