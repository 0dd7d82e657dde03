"""The media plane: a process of its own that serves live and recorded footage to holders of a grant."""
