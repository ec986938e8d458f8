"""What stands on every page and every file that leaves Hilum."""

NOTICE = "Research use only - not for diagnosis"
SYNTHETIC = "Synthetic task, not COVID-19"  # wherever slices or a model are of phantoms
