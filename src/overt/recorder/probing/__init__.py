"""Probes: asking a camera what it offers, from where the recorder stands, in a process of its own."""
