"""A facilitator, the network behind it, and an agent that is paid by x402, over HTTP."""
