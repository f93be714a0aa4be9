"""A new version beside the running one: which applications Serve has at each step. Pure.

Serve's own rolling update replaces the replicas of each deployment on their own, so a note could be tagged by one
version and judged by another. Here each version is a whole application, and only the route moves between them.
"""

from __future__ import annotations

from typing import Any

NAMES = ("codeserve", "codeserve-next")  # in turn
NEXT, PREVIOUS = "/next", "/previous"  # where a version is probed before its turn, and finishes after it

Config = dict[str, Any]


def named(config: Config, name: str, route: str = "/") -> Config:
    """`config` with its application under this name and route."""
    (application,) = config["applications"]
    return {**config, "applications": [{**application, "name": name, "route_prefix": route}]}


def other(name: str) -> str:
    return NAMES[1 - NAMES.index(name)]


def beside(running: Config, new: Config) -> Config:
    """Both: the new one is started and probed, the running one serves. Both as `named` gives them."""
    return _both(running, "/", new, NEXT)


def switched(running: Config, new: Config) -> Config:
    """Both: the new one serves, the other finishes what is inside it."""
    return _both(running, PREVIOUS, new, "/")


def _both(one: Config, its_route: str, two: Config, route_of_two: str) -> Config:
    applications = [
        {**config["applications"][0], "route_prefix": route}
        for config, route in ((one, its_route), (two, route_of_two))
    ]
    return {**one, "applications": applications}
