"""The stand-in NCA: the toolkit's API, its one worker, its real media work, and every way it fails."""
