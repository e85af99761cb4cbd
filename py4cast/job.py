"""Job: the processes of one training, as their launcher started them; they are one job or none is begun.

torchrun, SLURM's srun and Lightning's own launcher each tell a process by environment variables which one it is. What they
say is read here alone, held against what was asked for, and later against Lightning's trainer.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from py4cast.errors import SettingsError

__all__ = ["Job", "Placement"]

Launcher = Literal["torchrun", "slurm", "lightning", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a training is asked to run.

    Args:
        devices: processes per node; None for as many as the launcher started, else all accelerators.
        num_nodes: of the job; None for as many as the launcher says.
        accelerator: auto, cpu, gpu.
        distributed: how ranks share the work; ddp: each has samples of its own and the whole network; fsdp: the network lies in pieces on all;
            domain: several compute one sample together.
        model_ranks: with domain, how many compute one sample; None for all.

    Raises:
        SettingsError: a number of ranks per sample where each has its own, or a number below 1.
    """

    devices: int | None = None
    num_nodes: int | None = None
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    distributed: Literal["ddp", "fsdp", "domain"] = "ddp"
    model_ranks: int | None = None

    def __post_init__(self) -> None:
        for flag, count in (("--devices", self.devices), ("--num_nodes", self.num_nodes)):
            if count is not None and count < 1:
                raise SettingsError(f"{flag} {count}: expected at least 1")
        if self.model_ranks is not None and self.distributed != "domain":
            raise SettingsError(
                f"--model_ranks {self.model_ranks}: with --distributed {self.distributed} every rank has samples of its own; "
                "expected --distributed domain beside it"
            )

    def ranks_per_sample(self, world_size: int) -> int:
        """How many ranks compute one sample together.

        Args:
            world_size: ranks of the job.

        Raises:
            SettingsError: one rank alone, or a number that does not divide the job's.
        """
        if self.distributed != "domain":
            return 1
        size = world_size if self.model_ranks is None else self.model_ranks
        if world_size < 2 or size < 2 or world_size % size:
            raise SettingsError(
                f"--distributed domain: {max(1, world_size)} rank(s) with {max(1, size)} for each sample; expected at least 2 for a sample, and a number "
                "that divides that of the ranks (start more by --devices, torchrun or srun; set --model_ranks)"
            )
        return size


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isdigit() else None


@dataclass(frozen=True, slots=True)
class Job:
    """One job and the place of this process in it.

    Args:
        launcher: what started the processes.
        rank: of this process, 0 for the first.
        world_size: processes of the job; 0 where it is left to Lightning (all accelerators of this node).
        num_nodes: that they run on.
    """

    launcher: Launcher
    rank: int
    world_size: int
    num_nodes: int

    @property
    def num_devices(self) -> int:
        """Processes per node; 0 where it is left to Lightning."""
        return self.world_size // self.num_nodes

    @classmethod
    def of(cls, placement: Placement | None = None, environment: Mapping[str, str] | None = None) -> "Job":
        """The job that the environment tells of.

        Args:
            placement: what was asked for.
            environment: by default that of this process.

        Raises:
            SettingsError: what was asked for is not what was started, or nodes hold different numbers of processes.
        """
        asked, env = placement or Placement(), os.environ if environment is None else environment
        job = cls._torchrun(env) or cls._slurm(env) or cls._here(asked, env)
        for flag, wanted, started in (
            ("--devices", asked.devices, job.num_devices),
            ("--num_nodes", asked.num_nodes, job.num_nodes),
        ):
            if wanted is not None and wanted != started:
                raise SettingsError(
                    f"{flag} {wanted}: {job.launcher} started {job.world_size} processes on {job.num_nodes} nodes, so that it is "
                    f"{started}; leave {flag} out, or start as many"
                )
        return job

    @classmethod
    def _torchrun(cls, env: Mapping[str, str]) -> "Job | None":
        rank, world, local = (_number(env, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        if rank is None or world is None or local is None:
            if rank or (rank is not None and (world or 1) > 1):
                raise SettingsError(
                    f"RANK={rank} is set and not all of WORLD_SIZE and LOCAL_WORLD_SIZE: half a launcher; start by torchrun or srun, or "
                    "unset RANK"
                )
            return None
        groups = _number(env, "GROUP_WORLD_SIZE")
        if not local or world % local or (groups is not None and groups * local != world):
            raise SettingsError(
                f"torchrun started {world} processes, {local} of them on this node"
                + (f" of {groups}" if groups else "")
                + "; expected as many on every node (--nproc_per_node)"
            )
        return cls("torchrun", rank, world, world // local)

    @classmethod
    def _slurm(cls, env: Mapping[str, str]) -> "Job | None":
        rank, tasks = _number(env, "SLURM_PROCID"), _number(env, "SLURM_NTASKS")
        # in a shell of an allocation the tasks are only allowed, and not started
        if rank is None or env.get("SLURM_JOB_NAME") in ("bash", "interactive"):
            return None
        if (tasks or 1) > 1:
            # in a batch script rank and tasks are set as well, and no step
            if "SLURM_STEP_ID" not in env:
                raise SettingsError(
                    f"SLURM allows {tasks} tasks and srun has not started this one: it would wait for the others for ever; write srun before "
                    "py4cast, or ask for --ntasks=1"
                )
            if "SLURM_NTASKS_PER_NODE" not in env:
                raise SettingsError(
                    f"SLURM started {tasks} tasks by --ntasks alone; expected --ntasks-per-node with --nodes"
                )
        nodes, per_node = _number(env, "SLURM_NNODES") or 1, _number(env, "SLURM_NTASKS_PER_NODE")
        world = tasks if tasks is not None else (per_node or 1) * nodes
        if world % nodes or (per_node is not None and per_node * nodes != world):
            raise SettingsError(
                f"SLURM started {world} tasks on {nodes} nodes; expected as many on every node (--ntasks-per-node)"
            )
        return cls("slurm", rank, world, nodes)

    @classmethod
    def _here(cls, asked: Placement, env: Mapping[str, str]) -> "Job":
        """A job that this command starts itself, or was started for by Lightning."""
        local, node = _number(env, "LOCAL_RANK"), _number(env, "NODE_RANK")
        nodes = asked.num_nodes or 1
        if nodes > 1 and (node is None or "MASTER_ADDR" not in env):
            raise SettingsError(
                f"--num_nodes {nodes}: nothing has started processes on the other nodes; start this command by torchrun on each of them "
                f"(--nnodes {nodes}) or by srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK on each"
            )
        if local and "MASTER_ADDR" not in env:
            raise SettingsError(
                f"LOCAL_RANK={local} is set and no MASTER_ADDR: half a launcher; start by torchrun or srun, or unset LOCAL_RANK"
            )
        devices = asked.devices or 0
        if local and devices and local >= devices:
            raise SettingsError(f"LOCAL_RANK={local} of --devices {devices}: no such rank; unset LOCAL_RANK")
        world = devices * nodes
        rank = (node or 0) * devices + (local or 0)
        return cls("none" if local is None else "lightning", rank, world, nodes)

    def check(self, world_size: int, num_nodes: int) -> None:
        """Refuses a trainer of another size, whose ranks would train by themselves, or of another rank; SettingsError."""
        if self.world_size and (world_size, num_nodes) != (self.world_size, self.num_nodes):
            raise SettingsError(
                f"{self.launcher} started {self.world_size} processes on {self.num_nodes} nodes, the trainer would join {world_size} on "
                f"{num_nodes}: every process would train alone"
            )
        if world_size <= self.rank:
            raise SettingsError(
                f"this process is rank {self.rank} by its environment (RANK, SLURM_PROCID, LOCAL_RANK) and the trainer has {world_size} "
                "rank(s); unset them, or start by torchrun or srun"
            )

    @staticmethod
    def told(world_size: int, num_nodes: int, samples_done: int, model_ranks: int = 1) -> dict[str, Any]:
        """What a checkpoint says of the job that wrote it."""
        of_groups = {"model_ranks": model_ranks} if model_ranks > 1 else {}
        return {"world_size": world_size, "num_nodes": num_nodes, "samples_done": samples_done, **of_groups}
