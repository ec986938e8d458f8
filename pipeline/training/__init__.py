"""Learning: a frozen configuration in, a run with weights, engine, predictions and history out."""
