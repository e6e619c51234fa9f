"""From the outbox, where messages are stored with their cause, to the streams."""
