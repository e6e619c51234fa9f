"""The message bus: connecting, asking and being asked, streams and what they hold."""
