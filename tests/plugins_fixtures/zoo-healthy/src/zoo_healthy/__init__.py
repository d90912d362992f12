"""A plugin made for the tests."""
