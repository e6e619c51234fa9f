"""The doors, tried by the conformance kits of their protocols (`make conformance`)."""
