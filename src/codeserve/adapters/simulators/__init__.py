"""Small platforms of our own, over real HTTP: for the contract tests, the demo, and to try an adapter without a vendor.

They behave as the public documentation says, as far as an adapter sees, and fail on request. Patients are invented.
`python -m codeserve.adapters.simulators --help` starts one.
"""
