// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

/// Files that are complete or not there, and how to tell that one changed.
namespace fmmp::runtime {

bool is_file(std::string const& path);
bool is_folder(std::string const& path);

/// The whole file.
std::string read_file(std::string const& path);

/// Hexadecimal SHA-256 of a file, read in pieces.
std::string sha256_file(std::string const& path);

/// Write under a temporary name in the same folder, then rename: a kill or full disk leaves the old file.
void write_atomically(std::string const& path, std::string const& data);

}  // namespace fmmp::runtime
