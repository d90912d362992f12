"""`python -m zoo_matd3`."""

from zoo_matd3.command_line import main

raise SystemExit(main())
