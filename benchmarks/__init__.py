"""Figures with their peer beside them, measured in the same run; `make bench-*` runs them."""
