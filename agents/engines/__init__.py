"""The engines behind the agents. Each does one thing and knows nothing of HTTP or prices."""
