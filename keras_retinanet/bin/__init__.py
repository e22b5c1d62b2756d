"""The commands. Importing them imports nothing heavy, so that --help answers at once."""
