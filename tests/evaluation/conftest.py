from tests.codesets.conftest import codesets

__all__ = ["codesets"]
