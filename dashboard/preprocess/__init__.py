"""The parts of the Preprocess page."""
