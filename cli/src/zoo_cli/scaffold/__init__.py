"""`zoo plugin new`: what a new package is called, and the templates it is written from."""
