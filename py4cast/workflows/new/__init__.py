"""Beginnings: a dataset's JSON file from the files themselves, a package of one's own."""
