# SPDX-License-Identifier: Apache-2.0
"""The network: `ModelConfig` says its shape, `Network` is it."""

from fmmp_train.model.config import ModelConfig
from fmmp_train.model.network import Network
from fmmp_train.model.state import SupportState

__all__ = ["ModelConfig", "Network", "SupportState"]
