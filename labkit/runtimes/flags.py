"""What a driver says of all figures measured with it: how its sandboxes are not quite what the bundle asks for."""

from __future__ import annotations

MEANINGS = {
    "unified-hidden": "it refuses a host with both cgroup versions, so the v2 tree was unmounted in its own namespace",
    "filter-cached": "it finds the compiled system-call filter in a cache, where runc compiles it at each start",
    "no-cgroup": "it sets no limits",
    "no-masks": "it covers none of the masked paths",
}
