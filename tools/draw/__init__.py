"""Pictures from a results file, the prepared data and a training log."""
