"""How far a practice lets suggestions go: modes by specialty, what may be posted, when a mode has earned the next."""
