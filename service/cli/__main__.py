"""`python -m service.cli` is `kawasan`, where the console script is not installed."""

from service.cli.main import main

main()
