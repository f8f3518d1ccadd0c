# SPDX-License-Identifier: Apache-2.0
"""What is thrown at each door: one file a room that reads what strangers wrote."""

from tests.faults.inputs import annotations, bundles, calls, checkpoints, media, operator, page
from tests.faults.verdict import Attack

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for room in (annotations, bundles, calls, checkpoints, media, operator, page)
    for attack in room.ATTACKS
}
