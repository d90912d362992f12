"""MATD3, online: makes the behaviour policies of our datasets."""
