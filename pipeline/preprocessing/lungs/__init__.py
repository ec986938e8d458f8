"""Lung isolation: one way a file, the body they look in, and the verdict on what they found."""
