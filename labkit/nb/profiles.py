"""How much is measured, by the name of a profile: the one place where these numbers stand."""

from dataclasses import dataclass

from labkit.errors import LabkitError


@dataclass(frozen=True, slots=True)
class Profile:
    """Blocks of the start-up experiment, and how often notebook 10 runs a container in a row."""

    name: str
    warm_blocks: int
    cold_blocks: int
    repeats: int
    seed: int = 1


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("tiny", warm_blocks=2, cold_blocks=1, repeats=3),  # goes through everything once, for the tests
        Profile("quick", warm_blocks=60, cold_blocks=15, repeats=20),  # some minutes on 2 cores
        Profile("full", warm_blocks=200, cold_blocks=50, repeats=20),  # the study
    )
}


def profile(name: str) -> Profile:
    """The profile of this name; LabkitError names those there are."""
    if name not in PROFILES:
        raise LabkitError(f"no profile {name!r}", f"the profiles are {', '.join(PROFILES)}")
    return PROFILES[name]
