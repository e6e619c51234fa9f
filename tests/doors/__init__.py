"""Doors for who speaks another protocol, each with its own library's client over HTTP."""
