"""What equipment says of itself. Read-only: there is no way here to change anything on a device."""
