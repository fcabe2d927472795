"""Real media for the stand-ins, the demo and the tests: made here, looked into here."""
