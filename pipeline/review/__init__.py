"""Readings: what a person saw in a slice before and after the model spoke, kept so that none is rewritten."""
