"""Migrations: each released one stays as it is."""
