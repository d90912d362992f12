"""One module per command; `zoo_cli.main` imports a module when its command is used."""
