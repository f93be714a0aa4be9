"""How fast the service is, against what else one could run: `python -m benchmarks --help`, docs/benchmarks.md."""
