# SPDX-License-Identifier: Apache-2.0
"""The estimators: `Estimator` says what each offers, `Network` is FMMP, `ModelConfig` its shape."""

from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.fmmp.config import ModelConfig
from fmmp_train.model.fmmp.network import Network
from fmmp_train.model.fmmp.state import SupportState

__all__ = ["Estimator", "Located", "ModelConfig", "Network", "SupportState"]
