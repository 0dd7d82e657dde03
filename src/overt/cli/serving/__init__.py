"""`overt serve`: control room and recorder as one program, each in processes of its own."""
