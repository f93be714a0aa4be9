"""The code sets: ICD-10-CM with its concepts, CPT and HCPCS in words of our own."""

from codeserve.codesets.store import CodeInfo, CodeSets

__all__ = ["CodeInfo", "CodeSets"]
