"""The trail of what was suggested, seen and decided: append-only, chained by hashes, its head signed."""
