// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bundle/bundle.h"

/// Which engine of a bundle fits here, or why none does; as fmmp_runtime/engines.py. An engine that does not
/// fit is refused, never tried.
namespace fmmp::runtime {

/// What an engine must be for.
struct EngineKey {
    std::string graph, version, arch, plugin;
};

/// Why an engine of TensorRT is not the one that is wanted, each reason to follow "was built".
std::vector<std::string> differences(EngineSpec const& engine, EngineKey const& key, Model const& model);

/// An engine and its bytes, which are those that were checked.
struct PickedEngine {
    EngineSpec const& spec;
    std::string plan;
};

/// The engine of TensorRT for `key`.
PickedEngine pick_engine(Bundle const& bundle, EngineKey const& key);

/// "a, b, c".
std::string join(std::vector<std::string> const& words, char const* between);

}  // namespace fmmp::runtime
