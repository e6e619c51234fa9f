"""What every service shares: how it starts, talks, stores and reports. It knows no context."""
