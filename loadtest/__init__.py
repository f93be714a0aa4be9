"""Load tests with Locust: scenarios and service level objectives as data, a verdict as the exit code."""
