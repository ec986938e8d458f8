"""Class activation maps: where in the slice a model's opinion comes from."""
