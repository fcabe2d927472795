"""Everything that stands in for the cloud on one machine: never imported by layers/ or functions/."""
