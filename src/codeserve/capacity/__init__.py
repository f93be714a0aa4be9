"""How many replicas a load needs: a simulation over measured curves, and what they cost. Pure."""
