"""The outside systems in memory and in virtual time: each is its adapter with the network taken out.

They inherit from the adapters, so that mypy holds every signature to the real one's and what an adapter composes of smaller
calls (`Ledger.change`) runs as it is. A fake fails when it is told to, with the errors that its adapter raises.
"""
