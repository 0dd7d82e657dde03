"""Measuring what recording costs on this machine: `overt bench`, and the parts that the scripts in `bench/` share."""
