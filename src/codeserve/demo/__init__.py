"""`codeserve demo`: two practices with simulated platforms, the real service and worker, played as it happens."""
