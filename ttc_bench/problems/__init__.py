"""Sources of problems: task files, data sets, seeded generators."""
