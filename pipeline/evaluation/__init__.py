"""How good a model is, and how sure one can be: from a table of predictions, never from the model itself."""
