"""Preprocessed slices, memory-mapped: computed once for a recipe and data set, read by every epoch."""
