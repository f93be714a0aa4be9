"""How right the suggestions are and how true their confidence is, on notes with gold codes."""
