"""codeserve: a signed clinical note in; billing codes with evidence and calibrated confidence out."""

__version__ = "0.1.0"
