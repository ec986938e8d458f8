"""The parts of the Predict page: which slice, what the model says, why, and what it saw."""
