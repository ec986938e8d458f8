"""A model's opinion of a slice: the exported engine, the input gate, what the model has seen before."""
