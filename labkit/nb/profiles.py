"""How much is measured, by the name of a profile: the one place where these numbers stand."""

from dataclasses import dataclass, replace

from labkit.errors import LabkitError


@dataclass(frozen=True, slots=True)
class Profile:
    """How much of each experiment, and how often what the notebooks measure by themselves is repeated.

    Of the study: `core_blocks` of each core workload and `other_blocks` of each other one, a pilot where `most_blocks`
    is more, from which each workload is sized to intervals of ± `target`; `budget` in s, after which no block is
    begun. Without blocks nothing of the study is measured, and its image is not built.

    Of the engine, `engine_rounds`, and so many containers `alive` at once (0: none).

    Of how sandboxes live: `lives_blocks` of their phases, of `crowds` asked for at once, and of so many `idle` ones.

    Of the ablation: blocks of the start-up and of each workload, these workloads' scale, and the seconds after which
    no block is begun. Of isolation: blocks of each workload, the runtimes (none for all), scale and seconds alike.

    Where KVM does not work, virtual machines take part in the start-up, and `emulated` in isolation, phases and memory;
    elsewhere they are named and left out, since their speed would be the emulator's.
    """

    name: str
    warm_blocks: int
    cold_blocks: int
    engine_rounds: int
    repeats: int
    windows: int
    alive: int = 0
    core_blocks: int = 0
    other_blocks: int = 0
    most_blocks: int = 0
    target: float = 0.05
    scale: float = 1.0
    budget: float = 0.0
    lives_blocks: int = 0
    crowds: tuple[int, ...] = (1, 4, 16)
    idle: tuple[int, ...] = (1, 2, 4)
    seed: int = 1
    ablation_blocks: int = 1
    ablation_workload_blocks: int = 0
    ablation_workloads: tuple[str, ...] = ()
    ablation_scale: float = 0.1
    ablation_budget: float = 0.0
    isolation_blocks: int = 1
    isolation_labels: tuple[str, ...] = ()
    isolation_workloads: tuple[str, ...] = ()
    isolation_scale: float = 0.2
    isolation_budget: float = 0.0
    emulated: bool = False


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("tiny", warm_blocks=2, cold_blocks=1, engine_rounds=2, repeats=3, windows=2,
                isolation_labels=("host", "labkit", "runc")),  # for the tests
        # A quarter of an hour in all.
        Profile("quick", warm_blocks=40, cold_blocks=10, engine_rounds=12, repeats=20, windows=6,
                core_blocks=6, other_blocks=1, scale=0.75, budget=6 * 60,
                lives_blocks=6, crowds=(1, 8), idle=(1, 4),
                ablation_blocks=20, ablation_workload_blocks=6, ablation_workloads=("syscalls", "sysbench-cpu"),
                ablation_budget=40, isolation_blocks=2, isolation_workloads=("redis",), isolation_budget=40),
        # The study: an hour on two CPUs, less than three hours on slow ones.
        Profile("full", warm_blocks=200, cold_blocks=50, engine_rounds=200, repeats=20, windows=12, alive=1000,
                core_blocks=6, other_blocks=6, most_blocks=40, scale=0.75, budget=26 * 60,
                lives_blocks=9, crowds=(1, 4, 16, 64), idle=(1, 2, 4, 8),
                ablation_blocks=200, ablation_workload_blocks=15,
                ablation_workloads=("syscalls", "sysbench-cpu", "redis"), ablation_scale=0.25, ablation_budget=300,
                isolation_blocks=6, isolation_workloads=("syscalls", "sysbench-cpu", "redis", "nginx", "sqlite"),
                isolation_budget=360, emulated=True),
    )
}  # fmt: skip


def profile(name: str, repetitions: int = 0, seed: int = 0) -> Profile:
    """The profile of this name, with so many `repetitions` of each experiment but the engine's, and this `seed`.

    0 leaves either as the profile has it. LabkitError names the profiles there are.
    """
    if name not in PROFILES:
        raise LabkitError(f"no profile {name!r}", f"the profiles are {', '.join(PROFILES)}")
    found = PROFILES[name]
    if repetitions:
        found = replace(
            found,
            warm_blocks=repetitions,
            cold_blocks=repetitions,
            core_blocks=repetitions,
            other_blocks=repetitions,
            most_blocks=0,
            lives_blocks=repetitions,
            ablation_blocks=repetitions,
            ablation_workload_blocks=repetitions,
            isolation_blocks=repetitions,
        )
    return replace(found, seed=seed or found.seed)
