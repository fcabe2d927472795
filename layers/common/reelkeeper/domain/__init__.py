"""What is known and decided: standard library only, no I/O, no clock, no environment."""
