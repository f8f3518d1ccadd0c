// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace fmmp::runtime {

/// Whose fault it is; `fmmp_status` of fmmp.h has one value for each.
enum class Fault { kArgument, kFile, kBundle, kState, kBackend };

/// What the user can mend: says what was expected, what came, and what to do.
class Error : public std::runtime_error {
public:
    Error(Fault fault, std::string const& message) : std::runtime_error(message), fault_(fault) {}

    Fault fault() const { return fault_; }

private:
    Fault fault_;
};

}  // namespace fmmp::runtime
