"""What Prometheus reads of a replica, whatever it is; `docs/metrics.md` is made from here."""
