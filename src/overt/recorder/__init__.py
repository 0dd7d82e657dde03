"""PROGRAM: captures, seals and stores cameras; knows no users and no policy."""
