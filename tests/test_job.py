import pytest

from py4cast.errors import SettingsError
from py4cast.job import Job, Placement

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "2", "LOCAL_RANK": "1"}
SLURM = {
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS_PER_NODE": "2",
}


@pytest.mark.parametrize(
    ("environment", "placement", "expected"),
    [
        (TORCHRUN, {}, Job("torchrun", 3, 4, 2)),
        (TORCHRUN, {"devices": 2, "num_nodes": 2}, Job("torchrun", 3, 4, 2)),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "4"}, {}, Job("torchrun", 3, 4, 4)),
        (SLURM, {}, Job("slurm", 1, 4, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, {}, Job("slurm", 0, 1, 1)),
        ({**SLURM, "SLURM_JOB_NAME": "bash"}, {}, Job("none", 0, 0, 1)),
        ({}, {}, Job("none", 0, 0, 1)),
        ({}, {"devices": 2}, Job("none", 0, 2, 1)),
        ({"LOCAL_RANK": "1", "MASTER_ADDR": "a"}, {"devices": 2}, Job("lightning", 1, 2, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, {}, Job("none", 0, 0, 1)),
        (
            {"LOCAL_RANK": "1", "NODE_RANK": "1", "MASTER_ADDR": "a"},
            {"devices": 2, "num_nodes": 2},
            Job("lightning", 3, 4, 2),
        ),
    ],
    ids=[
        "torchrun",
        "as_asked",
        "four_nodes",
        "slurm",
        "slurm_bare",
        "shell",
        "none",
        "devices",
        "child",
        "one_of_one",
        "child_of_two",
    ],
)
def test_every_launcher_is_understood(environment: dict, placement: dict, expected: Job) -> None:
    job = Job.of(Placement(**placement), environment)
    assert job == expected
    assert job.num_devices * job.num_nodes == job.world_size


@pytest.mark.parametrize(
    ("environment", "placement", "message"),
    [
        (TORCHRUN, {"devices": 4}, "--devices 4: torchrun started 4 processes on 2 nodes, so that it is 2"),
        (TORCHRUN, {"num_nodes": 1}, "--num_nodes 1: torchrun started 4 processes on 2 nodes, so that it is 2"),
        (
            {**TORCHRUN, "WORLD_SIZE": "3"},
            {},
            "torchrun started 3 processes, 2 of them on this node of 2; expected as many",
        ),
        ({**SLURM, "SLURM_NTASKS": "3"}, {}, "SLURM started 3 tasks on 2 nodes; expected as many on every node"),
        (SLURM, {"devices": 1}, "--devices 1: slurm started 4 processes"),
        ({"LOCAL_RANK": "1"}, {}, "LOCAL_RANK=1 is set and no MASTER_ADDR: half a launcher"),
        ({"LOCAL_RANK": "2", "MASTER_ADDR": "a"}, {"devices": 2}, "LOCAL_RANK=2 of --devices 2: no such rank"),
        ({"RANK": "1"}, {}, "RANK=1 is set and not all of WORLD_SIZE and LOCAL_WORLD_SIZE"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, {}, "RANK=0 is set and not all of"),
        (
            {k: v for k, v in SLURM.items() if k != "SLURM_STEP_ID"},
            {},
            "SLURM allows 4 tasks and srun has not started this one",
        ),
        (
            {k: v for k, v in SLURM.items() if k != "SLURM_NTASKS_PER_NODE"},
            {},
            "SLURM started 4 tasks by --ntasks alone",
        ),
        ({}, {"num_nodes": 2}, "--num_nodes 2: nothing has started processes on the other nodes"),
    ],
    ids=[
        "devices",
        "nodes",
        "uneven",
        "uneven_slurm",
        "slurm_devices",
        "local_rank",
        "no_such_rank",
        "rank",
        "first_of_two",
        "no_srun",
        "bare",
        "alone",
    ],
)
def test_what_was_not_started_is_refused(environment: dict, placement: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Job.of(Placement(**placement), environment)


def test_a_trainer_of_another_size_is_refused() -> None:
    job = Job.of(environment=TORCHRUN)
    job.check(4, 2)
    with pytest.raises(
        SettingsError,
        match="started 4 processes on 2 nodes, the trainer would join 1 on 1: every process would train alone",
    ):
        job.check(1, 1)
    Job.of(environment={}).check(1, 1)
    alone = Job.of(environment={"LOCAL_RANK": "1", "MASTER_ADDR": "a"})
    with pytest.raises(SettingsError, match="rank 1 by its environment .* the trainer has 1 rank"):
        alone.check(1, 1)


def test_a_checkpoint_says_what_wrote_it() -> None:
    assert Job.told(4, 2, 80) == {"world_size": 4, "num_nodes": 2, "samples_done": 80}


def test_how_many_ranks_compute_a_sample() -> None:
    assert Placement().ranks_per_sample(4) == 1
    assert Placement(distributed="domain").ranks_per_sample(4) == 4
    assert Placement(distributed="domain", model_ranks=2).ranks_per_sample(4) == 2
    for wrong, world in (({}, 1), ({"model_ranks": 3}, 4), ({"model_ranks": 1}, 2)):
        with pytest.raises(SettingsError, match="--distributed domain: .* expected at least 2 for a sample"):
            Placement(distributed="domain", **wrong).ranks_per_sample(world)
    with pytest.raises(
        SettingsError, match="--model_ranks 2: with --distributed ddp every rank has samples of its own"
    ):
        Placement(model_ranks=2)
    assert Job.told(4, 1, 8, 2)["model_ranks"] == 2 and "model_ranks" not in Job.told(4, 1, 8)


@pytest.mark.parametrize(("asked", "told"), [({"devices": 0}, "--devices 0"), ({"devices": -1}, "--devices -1"), ({"num_nodes": 0}, "--num_nodes 0")])  # fmt: skip
def test_no_devices_are_no_number_of_devices(asked: dict[str, int], told: str) -> None:
    with pytest.raises(SettingsError, match=f"{told}: expected at least 1"):
        Placement(**asked)


def test_in_the_shell_of_an_allocation_tasks_are_only_allowed() -> None:
    for name in ("interactive", "mine"):
        environment = {"SLURM_NTASKS": "4", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_NAME": name}
        assert Job.of(None, environment).launcher == "none"
