"""Tables of `viewing`."""
