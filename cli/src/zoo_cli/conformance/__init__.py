"""`zoo plugin check`: what is checked, the checks of the package, the kit in a child process, and the report."""
