"""HTTP/1.1 into a process: its connections with their bounds, and the probes."""
