"""The estate: sites, cameras and why each is there, the devices that hang there now, and what recorders are told."""
