"""Effects: database, clock, providers, web, jobs. The story is in `bot/journey/`, to be read in file order."""
