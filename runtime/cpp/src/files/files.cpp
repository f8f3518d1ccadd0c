// SPDX-License-Identifier: Apache-2.0
#include "files/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "error.h"
#include "files/sha256.h"

namespace fmmp::runtime {
namespace {

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail(std::string const& what, std::string const& path, int number)
{
    throw Error(Fault::kFile, "cannot " + what + " " + path + ": " + std::strerror(number));
}

void read_pieces(std::string const& path, std::function<void(char const*, size_t)> const& use)
{
    std::unique_ptr<std::FILE, Close> const file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        fail("read", path, errno);
    }
    std::vector<char> piece(size_t(1) << 18);
    size_t count = 0;
    while ((count = std::fread(piece.data(), 1, piece.size(), file.get())) > 0) {
        use(piece.data(), count);
    }
    if (std::ferror(file.get())) {
        fail("read", path, errno);
    }
}

bool write_all(int handle, std::string const& data)
{
    for (size_t done = 0; done < data.size();) {
        ssize_t const count = ::write(handle, data.data() + done, data.size() - done);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        done += count > 0 ? size_t(count) : 0;
    }
    return ::fchmod(handle, 0644) == 0;
}

}  // namespace

bool is_file(std::string const& path)
{
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool is_folder(std::string const& path)
{
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string read_file(std::string const& path)
{
    std::string content;
    struct stat status;
    if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        content.reserve(size_t(status.st_size));
    }
    read_pieces(path, [&](char const* piece, size_t size) { content.append(piece, size); });
    return content;
}

std::string sha256_file(std::string const& path)
{
    Sha256 digest;
    read_pieces(path, [&](char const* piece, size_t size) { digest.update(piece, size); });
    return digest.hex();
}

void write_atomically(std::string const& path, std::string const& data)
{
    size_t const slash = path.rfind('/');
    size_t const start = slash == std::string::npos ? 0 : slash + 1;
    std::string name = path.substr(0, start) + "." + path.substr(start) + ".XXXXXX";
    int const handle = ::mkstemp(name.data());
    if (handle < 0) {
        fail("write", path, errno);
    }
    bool const written = write_all(handle, data);
    int number = errno;
    bool const closed = ::close(handle) == 0;
    if (written && !closed) {
        number = errno;
    }
    if (written && closed) {
        if (::rename(name.c_str(), path.c_str()) == 0) {
            return;
        }
        number = errno;
    }
    ::unlink(name.c_str());
    fail("write", path, number);
}

}  // namespace fmmp::runtime
