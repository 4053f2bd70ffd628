"""Commands with subcommands of their own, a file for each; `bot/cli.py` puts them together and has the others."""
