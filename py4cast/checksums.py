"""Checksums of a checkpoint: one of every tensor and one of all other values, so that a changed bit is named."""

import difflib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import torch

__all__ = ["KEY", "changed_parts", "checksums_of"]

KEY = "py4cast_checksums"
_REST = "other values"


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """All that is no container, by its dotted place; containers by their kind and length."""
    if isinstance(value, Mapping):
        yield place, f"{len(value)} entries"
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{type(key).__name__[0]}:{key}")
    elif isinstance(value, list | tuple):
        yield place, f"{len(value)} items"
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{place}.{index}")
    else:
        yield place, value


def _crc(tensor: torch.Tensor) -> int:
    plain = tensor.detach().cpu().contiguous()
    content = google_crc32c.value(plain.view(-1).view(torch.uint8).numpy()) if plain.numel() else 0
    return int(google_crc32c.value(f"{plain.dtype} {tuple(plain.shape)} {content}".encode()))


def checksums_of(checkpoint: Mapping[str, Any]) -> dict[str, int]:
    """CRC-32C of every tensor by its place, and of everything else together."""
    sums, rest = {}, google_crc32c.value(b"")
    for place, value in _leaves({k: v for k, v in checkpoint.items() if k != KEY}, ""):
        if isinstance(value, torch.Tensor):
            sums[place] = _crc(value)
            continue
        text = struct.pack("<d", value).hex() if isinstance(value, float) else repr(value)
        rest = google_crc32c.extend(rest, f"{place}={text}\n".encode(errors="surrogatepass"))
    return {**sums, _REST: int(rest)}


def changed_parts(checkpoint: Mapping[str, Any]) -> list[str]:
    """Places of a checkpoint that are not what its checksums say; none where it holds no checksums."""
    held = checkpoint.get(KEY)
    if held is None:
        # an older checkpoint; or the bit that changed is one of the key's own
        return difflib.get_close_matches(KEY, map(str, checkpoint), cutoff=0.8)
    now = checksums_of(checkpoint)
    if not isinstance(held, dict):
        return [KEY]
    return sorted(k for k in {*held, *now} if held.get(k) != now.get(k))
