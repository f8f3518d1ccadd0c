// SPDX-License-Identifier: Apache-2.0
#include "files/shared_library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "error.h"
#include "files/files.h"

namespace fmmp::runtime {
namespace {

std::string own_folder()
{
    Dl_info info;
    if (::dladdr(reinterpret_cast<void*>(&own_folder), &info) == 0 || !info.dli_fname) {
        return ".";
    }
    std::string const path = info.dli_fname;
    size_t const slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

SharedLibrary::SharedLibrary(std::vector<std::string> const& names, std::string const& what,
                             std::string const& mend)
{
    std::string said;
    for (std::string const& name : names) {
        handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle_) {
            name_ = name;
            return;
        }
        char const* const reason = ::dlerror();
        said += (said.empty() ? "" : "; ") + std::string(reason ? reason : name + " does not load");
    }
    throw Error(Fault::kBackend, what + " is not here: " + mend + " (" + said + ")");
}

void* SharedLibrary::find(char const* symbol) const
{
    return ::dlsym(handle_, symbol);
}

void* SharedLibrary::must_find(char const* symbol) const
{
    void* const found = find(symbol);
    if (!found) {
        throw Error(Fault::kBackend, name_ + " has no " + symbol + ": it is another library, or too old");
    }
    return found;
}

std::optional<std::string> operator_library(char const* file, std::string const& folder)
{
    std::string const said = said_or_variable(folder, "FMMP_LIBRARY_DIR");
    std::string const path = (said.empty() ? own_folder() : said) + "/" + file;
    return is_file(path) ? std::optional(path) : std::nullopt;
}

std::string said_or_variable(std::string const& said, char const* variable)
{
    char const* const value = std::getenv(variable);
    return said.empty() && value ? value : said;
}

}  // namespace fmmp::runtime
