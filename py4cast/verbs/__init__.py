"""What the verbs of the command line do with their flags. Nothing heavy is imported before one is called."""
