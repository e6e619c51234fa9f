"""The registry: which agents there are, whether they answer, how busy they are, what they cost."""
