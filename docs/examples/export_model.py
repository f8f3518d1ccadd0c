# SPDX-License-Identifier: Apache-2.0
"""Export a checkpoint from Python and see how far it is from PyTorch.

python docs/examples/export_model.py split1.pth BUNDLE
"""

import sys
from pathlib import Path

from fmmp_export.export import export_bundle

checkpoint, bundle = map(Path, sys.argv[1:])

made = export_bundle(checkpoint, bundle)  # raises ParityError, and writes nothing, if it differs too much
for backend, parity in made.model.parity.items():
    print(f"{made.path} on {backend}: at most {parity['max_px']:.2g} pixels from PyTorch")
