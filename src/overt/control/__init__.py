"""The control room: people and rights, sites and cameras, wall and review, health. It touches no byte of video."""
