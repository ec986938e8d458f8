"""Many machines as one: where a Ray cluster is, connecting to it, and spreading many small tasks over it."""
