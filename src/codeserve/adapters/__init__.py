"""The platforms that practices use: each a thin adapter that fetches signed notes and writes draft charges back.

`base` says what an adapter is, `registry` opens the one that the settings name, docs/adapters.md how to write one.
"""
