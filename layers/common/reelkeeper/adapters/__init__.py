"""One module per outside system, each the only one that talks to it."""
