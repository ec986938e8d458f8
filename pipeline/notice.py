"""What stands on every page and every file that leaves Hilum."""

NOTICE = "Research use only - not for diagnosis"
