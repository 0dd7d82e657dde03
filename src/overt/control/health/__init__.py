"""Health: what recorders and cameras report, what is wrong now, whom it is told."""
