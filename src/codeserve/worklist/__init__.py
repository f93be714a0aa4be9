"""The coders' queue: what waits, in which order and why; claims, decisions and final codes."""
