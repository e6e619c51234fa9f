"""One thin function per command, query and event."""
