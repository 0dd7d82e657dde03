"""Overt: CCTV software for public bodies."""
