"""A toy plugin: small enough to train in a second, with one of everything the core must carry out."""
