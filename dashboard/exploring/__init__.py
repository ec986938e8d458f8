"""The sections of the Explore page: overview, slices, findings, split, and bringing data in."""
