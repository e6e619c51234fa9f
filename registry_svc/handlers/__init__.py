"""One thin function per query, event and piece of work that the registry does by itself."""
