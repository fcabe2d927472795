"""Reelkeeper keeps what the NCA Toolkit makes: stored for good, accounted for, and told truly."""
