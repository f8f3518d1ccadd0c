// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor.h"

/// The bundle: a folder with graphs, weights, and the model.json that describes them. The home of its format
/// is fmmp_runtime/bundle.py.
namespace fmmp::runtime {

constexpr int kBundleFormat = 2;
inline constexpr char kWeightsFile[] = "weights.bin";
inline constexpr char kReferenceIndex[] = "reference_index", kAdjacency[] = "adjacency";
constexpr size_t kShownDigits = 12;  // of a SHA-256, in messages and file names

/// One ONNX file of the bundle.
struct GraphSpec {
    std::string file;
    std::vector<TensorSpec> inputs, outputs;

    /// The input or output `name`.
    TensorSpec const& tensor(std::string const& name) const;
};

/// An engine of TensorRT or TensorRT-RTX, which fits one version, one kind of GPU and one operator library.
struct EngineSpec {
    std::string graph, backend, version, arch;
    std::string plugin;  // SHA-256 of the operator library; empty where the graph needs none
    std::string sha256;  // of the engine
    std::map<std::string, std::string> built_from;  // files of the graph and its weights -> their SHA-256
    bool plugin_inside = false;                     // the engine carries the operator library

    /// Name in the bundle.
    std::string file() const;
};

/// What a runtime has to know about the network.
struct Model {
    std::string name, precision;
    int64_t keypoints = 0;    // K, after padding
    int64_t shots = 0;        // S
    int64_t batch = 0;        // 1
    int64_t image_size = 0;   // side of a crop, pixels
    double crop_padding = 0;  // side of the crop / longer side of the box
    std::map<std::string, GraphSpec> graphs;
    std::map<std::string, std::string> files;  // name -> SHA-256, of every file but model.json and engines
    std::vector<EngineSpec> engines;
    bool pads_uniformly = true;    // keypoints are filled up on the links; false: with hidden ones
    bool every_support = false;    // must show a keypoint for it to be located; false: any may
    bool fixed_keypoints = false;  // no bundle for more keypoints can be exported

    /// The input of the support graph in which it reads the links: the reference index (S, K, M), the
    /// adjacency (S, K, K), or null where it reads none.
    TensorSpec const* structure() const;

    /// The support state, in the order of the query graph's inputs.
    std::vector<TensorSpec> state_tensors() const;

    /// SHA-256 of what a support state depends on: the graphs that make and read it, and the weights.
    std::string state_key() const;

    /// Files that the engine of a graph comes from, and their SHA-256.
    std::map<std::string, std::string> built_from(std::string const& graph) const;
};

/// A bundle on disk.
struct Bundle {
    std::string path;
    Model model;

    /// Read model.json. The files that it names are read by `read_checked`, by whoever uses them.
    static Bundle open(std::string const& path);

    /// The bytes of a file that has the hash which model.json gives: what was checked is what is used,
    /// whatever happens to the file.
    std::string read_checked(std::string const& name) const;
};

}  // namespace fmmp::runtime
