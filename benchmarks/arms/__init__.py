"""What is compared. A server arm is a process that answers POST /v1/extract-codes; offline.py has no server."""
