"""How checkpoints are written and read: whole or not at all, tensors and plain values only."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from py4cast import checksums
from py4cast.atomic import atomic_path, check_space
from py4cast.errors import DataError, first_line

__all__ = ["AtomicCheckpointIO"]


class AtomicCheckpointIO(CheckpointIO):
    """Creates the way checkpoints are written: whole or not at all; and read: tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Streams to a temporary file in the same folder, flushes and renames; SpaceError when the disk is full."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            check_space(target.parent, target.stat().st_size)
        with atomic_path(target) as temporary:
            try:
                torch.save({**checkpoint, checksums.KEY: checksums.checksums_of(checkpoint)}, temporary)
            except RuntimeError as error:
                # torch's zip writer hides the errno of a full disk
                if "write" in str(error) or "unexpected pos" in str(error):
                    raise OSError(28, "no space left on device, or a file-size limit") from error
                raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """The checkpoint at `path`; DataError when it is missing, damaged, or holds more than plain values."""
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except FileNotFoundError:
            raise DataError(f"{path}: no such checkpoint") from None
        except Exception as error:
            raise DataError(
                f"{path}: damaged, cut off or no checkpoint of py4cast ({first_line(error)}); remove it to go on from best.ckpt beside it"
            ) from None
        if not isinstance(checkpoint, dict):
            raise DataError(f"{path}: no checkpoint of py4cast: it holds a {type(checkpoint).__name__}")
        changed = checksums.changed_parts(checkpoint)
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise DataError(
                f"{path}: damaged (checksum): {', '.join(changed[:3])}{more}; remove it to go on from best.ckpt beside it"
            )
        checkpoint.pop(checksums.KEY, None)
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a checkpoint, where there is one."""
        Path(path).unlink(missing_ok=True)
