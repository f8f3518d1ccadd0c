# SPDX-License-Identifier: Apache-2.0
"""The bundle: a folder with graphs, weights, engines and the model.json that describes them."""
