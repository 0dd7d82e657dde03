"""Tables of `health`."""
