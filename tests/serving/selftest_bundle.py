"""Make the bundle that ``python -m serving --self-test`` scores; the command is in its docstring.

It is the tests' tiny bundle with one block of each kind, so that the files stay small.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from builders import tiny_bundle, tiny_encoder

from components.features.block import Block
from components.features.encoder import Encoder
from serving.selftest import BUNDLE


def smallest_of_each_kind(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return, for each way in which a block can look a value up, the smallest table."""
    ordered = sorted(blocks, key=lambda block: len(block.table) * len(block.outputs))
    kinds: dict[tuple[object, ...], Block] = {}
    for block in ordered:
        several, backs_off = len(block.sources) > 1, bool(block.backoff)
        kinds.setdefault((block.key, block.combine, several, backs_off, block.other is None), block)
    return tuple(kinds.values())


def main() -> None:
    """Write the bundle over the one that is there."""
    encoder = tiny_encoder()
    shutil.rmtree(BUNDLE, ignore_errors=True)
    tiny_bundle(BUNDLE, encoder=Encoder(smallest_of_each_kind(encoder.blocks), encoder.known))


if __name__ == "__main__":
    main()
