"""The messages between control room and recorder: Assignment and Fact."""
