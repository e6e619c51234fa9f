"""What the keeper does for others on the bus: showing, and forgetting what was said."""
