// Files that are either whole or absent.
#pragma once

#include "dpattn/error.hpp"
#include "dpattn/span.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <unistd.h>
#elif defined(_WIN32)
#include <io.h>
#endif

namespace dpattn::detail {

inline Failure io_failure(const char *what, const std::filesystem::path &path, std::error_code reason)
{
    return Failure(Status::io, (std::string(what) + " " + path.string() + ": " + reason.message()).c_str());
}

inline std::error_code last_error() noexcept { return {errno, std::generic_category()}; }

/// What `work` returns, or the Failure that stands for the exception that it throws.
template <class T, class Work>
Result<T> with_file(const Work &work) noexcept
{
    try {
        return work();
    } catch (const std::bad_alloc &) {
        return Failure(Status::out_of_memory, "no memory to work on the file");
    } catch (const std::exception &e) {
        return Failure(Status::io, e.what());
    }
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE *)>;

inline File open_file(const std::filesystem::path &path, const char *mode)
{
    return File(std::fopen(path.string().c_str(), mode), &std::fclose);
}

inline Result<std::vector<std::byte>> read_file(const std::filesystem::path &path) noexcept
{
    return with_file<std::vector<std::byte>>([&]() -> Result<std::vector<std::byte>> {
        const File file = open_file(path, "rb");
        if (!file) {
            return io_failure("cannot open", path, last_error());
        }
        std::vector<std::byte> bytes;
        std::array<std::byte, 16384> block;
        for (std::size_t n; (n = std::fread(block.data(), 1, block.size(), file.get())) != 0;) {
            bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(n));
        }
        if (std::ferror(file.get()) != 0) {
            return io_failure("cannot read", path, last_error());
        }
        return bytes;
    });
}

/// Whether the file is a ledger, by the mark of the database on either of its first two pages.
inline bool is_ledger(const std::filesystem::path &path)
{
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
        return false;
    }
    const File file = open_file(path, "rb");
    if (!file) {
        throw std::filesystem::filesystem_error("cannot open", path, last_error());
    }
    for (const long page : {0L, 4096L}) {
        std::array<unsigned char, 4> mark{};
        if (std::fseek(file.get(), page + 16, SEEK_SET) == 0 &&
            std::fread(mark.data(), 1, mark.size(), file.get()) == mark.size() &&
            mark == std::array<unsigned char, 4>{0xED, 0xDA, 0x0C, 0xED}) {
            return true;
        }
    }
    return false;
}

/// Whether what was written has reached the disk.
inline bool flush_to_disk(std::FILE *file) noexcept
{
    if (std::fflush(file) != 0) {
        return false;
    }
#if defined(__unix__) || defined(__APPLE__)
    return fsync(fileno(file)) == 0;
#elif defined(_WIN32)
    return _commit(_fileno(file)) == 0;
#else
    return true;
#endif
}

/// Makes a rename in the folder durable; not every system can open a folder.
inline void flush_folder(const std::filesystem::path &folder)
{
#if defined(__unix__) || defined(__APPLE__)
    const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        static_cast<void>(fsync(descriptor));
        static_cast<void>(close(descriptor));
    }
#else
    static_cast<void>(folder);
#endif
}

/// A new file beside `path`, which is removed at the end unless it took the place of `path`.
class Temporary {
public:
    explicit Temporary(const std::filesystem::path &path) : path_(path), file_(nullptr, &std::fclose)
    {
        std::random_device random;
        std::array<char, 32> suffix{};
        std::snprintf(suffix.data(), suffix.size(), ".%08x%08x.tmp", random(), random());
        std::filesystem::path name = path;
        name.replace_filename("." + path.filename().string() + suffix.data());
        file_ = open_file(name, "wbx");
        if (file_) {
            name_ = name;
        }
    }
    Temporary(const Temporary &) = delete;
    Temporary &operator=(const Temporary &) = delete;
    ~Temporary()
    {
        file_.reset();
        if (!name_.empty()) {
            std::error_code ignored;
            std::filesystem::remove(name_, ignored);
        }
    }

    std::FILE *file() noexcept { return file_.get(); }

    /// Closes the file and renames it to `path`.
    std::error_code take_place()
    {
        if (std::fclose(file_.release()) != 0) {
            return last_error();
        }
        std::error_code error;
        std::filesystem::rename(name_, path_, error);
        if (!error) {
            name_.clear();
            flush_folder(path_.parent_path());
        }
        return error;
    }

private:
    std::filesystem::path path_, name_;
    File file_;
};

/// Writes a temporary file beside `path`, syncs it and renames it to `path`, so that a file which
/// is there already is replaced as a whole or left as it was. A ledger is never replaced.
inline Result<> write_file(const std::filesystem::path &path, span<const std::byte> bytes) noexcept
{
    return with_file<void>([&]() -> Result<> {
        if (is_ledger(path)) {
            return Failure(Status::io, (path.string() + " is a ledger; a ledger is never replaced").c_str());
        }
        Temporary temporary(path);
        std::FILE *file = temporary.file();
        if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() ||
            !flush_to_disk(file)) {
            return io_failure("cannot write", path, last_error());
        }
        const std::error_code error = temporary.take_place();
        return error ? Result<>(io_failure("cannot write", path, error)) : Result<>();
    });
}

} // namespace dpattn::detail
