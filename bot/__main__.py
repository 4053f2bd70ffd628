"""`python -m bot` is `huifang`."""

from bot.cli import main

main()
