"""The demo: the whole story on this machine, every line of it checked."""
