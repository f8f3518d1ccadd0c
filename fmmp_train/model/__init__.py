# SPDX-License-Identifier: Apache-2.0
"""The network: `ModelConfig` says its shape, `Network` is it."""

from fmmp_train.model.fmmp.config import ModelConfig
from fmmp_train.model.fmmp.network import Network
from fmmp_train.model.fmmp.state import SupportState

__all__ = ["ModelConfig", "Network", "SupportState"]
