// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bundle/bundle.h"
#include "json/json.h"

namespace fmmp::runtime {

/// The content of model.json, strictly: every key, no other key, the right types, and graphs that belong
/// together. Throws Error that names the key.
Model read_model(Json const& content);

}  // namespace fmmp::runtime
