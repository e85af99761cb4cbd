"""Members that are trained must be draws of their own, which a network can spoil."""

from torch import nn

from py4cast.errors import SettingsError
from py4cast.strategies.base import StrategyABC

__all__ = ["check_untied"]


def check_untied(strategy: StrategyABC, network: nn.Module) -> None:
    """Refuses batch norm where several members are trained, for it ties them to each other; SettingsError."""
    is_tied = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
    if strategy.num_members > 1 and is_tied:
        raise SettingsError(
            f"model.norm batch: the {strategy.num_members} members of strategy {type(strategy).__name__} would be normalised together, "
            f"and be no draws of their own; use --set model.norm=group, or a network without batch norm"
        )
