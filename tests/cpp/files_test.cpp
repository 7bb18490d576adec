// Files: the same answers from them, errors that say why, and never half a file.
#include "harness.hpp"
#include "memory.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#ifdef HAS_FORK
#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#endif

using dpattn::Release;
using dpattn::Status;

namespace fs = std::filesystem;

namespace {

/// A folder for one test.
struct Folder : Scratch {
    Folder() { fs::create_directory(path); }
    std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(path), fs::directory_iterator()); }
};

std::vector<std::byte> content(const fs::path &path)
{
    std::ifstream file(path, std::ios::binary);
    std::vector<std::byte> bytes(fs::file_size(path));
    file.read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

} // namespace

TEST(files_give_the_same_answers)
{
    const Release release = small_release();
    const Folder folder;
    const fs::path path = folder.path / "release.dpa";
    release.save(path);
    const Release loaded = Release::load(path);
    CHECK(loaded.attend(one_query) == release.attend(one_query));
    CHECK(loaded.state() == release.state());
    CHECK(loaded.certificate() == release.certificate());
    CHECK(std::memcmp(loaded.info().id, release.info().id, 16) == 0);
    CHECK(content(path) == release.to_bytes());

    const Release other = small_release();
    other.save(path); // in the place of the first
    CHECK(content(path) == other.to_bytes() && folder.files() == 1);
}

TEST(altered_bytes_are_refused)
{
    const Release release = small_release();
    std::vector<std::byte> bytes = release.to_bytes();
    CHECK(bytes.size() == release.info().save_bytes);
    CHECK(Release::from_bytes(bytes).to_bytes() == bytes);

    std::size_t accepted = 0;
    for (std::byte &byte : bytes) {
        byte ^= std::byte{4};
        accepted += Release::try_from_bytes(bytes).ok() ? 1U : 0U;
        byte ^= std::byte{4};
    }
    for (std::size_t n = 0; n < bytes.size(); n += 7) {
        accepted += Release::try_from_bytes(dpattn::span<const std::byte>(bytes.data(), n)).ok() ? 1U : 0U;
    }
    CHECK(accepted == 0);
    bytes[bytes.size() / 2] ^= std::byte{1};
    CHECK_THROWS(Release::from_bytes(bytes), Status::corrupt, "");
}

TEST(files_that_cannot_be_are_named)
{
    const Release release = small_release();
    const Folder folder;
    const fs::path missing = folder.path / "no folder" / "release.dpa";
    const std::string name = missing.string();
    const std::string why = std::error_code(ENOENT, std::generic_category()).message();
    CHECK_FAILS(Release::try_load(missing), Status::io, ("cannot open " + name + ": " + why).c_str());
    CHECK_FAILS(release.try_save(missing), Status::io, ("cannot write " + name + ": " + why).c_str());
    CHECK_THROWS(Release::load(missing), Status::io, name.c_str());
    CHECK_THROWS(release.save(missing), Status::io, name.c_str());
    CHECK_FAILS(release.try_save(""), Status::io, "cannot write");

    const fs::path taken = folder.path / "folder";
    fs::create_directory(taken);
    CHECK_FAILS(release.try_save(taken), Status::io, taken.string().c_str());
    CHECK_FAILS(Release::try_load(taken), Status::io, taken.string().c_str());
    CHECK(folder.files() == 1 && fs::is_empty(taken));
}

TEST(a_ledger_is_not_replaced)
{
    const Release release = small_release();
    const Folder folder;
    const fs::path path = folder.path / "ledger";
    dpattn::Ledger::create(path, {2, 1e-5});
    std::vector<std::byte> before = content(path);
    CHECK_FAILS(release.try_save(path), Status::io, "is a ledger");
    CHECK(content(path) == before && folder.files() == 1);

    std::fill(before.begin(), before.begin() + 4096, std::byte{0}); // its first page is lost
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(before.data()), static_cast<std::streamsize>(before.size()));
    CHECK_FAILS(release.try_save(path), Status::io, "is a ledger");
    CHECK(content(path) == before);
}

#ifdef HAS_FORK
namespace {

/// Files of this process end at `bytes`, as if the disk were full there.
struct FullDisk {
    explicit FullDisk(rlim_t bytes, void (*handler)(int)) : before(std::signal(SIGXFSZ, handler))
    {
        getrlimit(RLIMIT_FSIZE, &old);
        const rlimit small = {bytes, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
    }
    ~FullDisk()
    {
        setrlimit(RLIMIT_FSIZE, &old);
        std::signal(SIGXFSZ, before);
    }

    rlimit old{};
    void (*before)(int);
};

/// How a child that does `work` ends, as waitpid tells it. It may not call the library.
template <class Work>
int in_a_child(const Work &work)
{
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        _exit(work());
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

} // namespace

TEST(a_full_disk_leaves_the_old_file)
{
    const Release first = small_release(), second = small_release();
    const Folder folder;
    const fs::path path = folder.path / "release.dpa";
    const std::string why = std::error_code(EFBIG, std::generic_category()).message();
    CHECK(first.to_bytes().size() > 512);
    {
        const FullDisk full(512, SIG_IGN);
        CHECK_FAILS(first.try_save(path), Status::io, why.c_str());
    }
    CHECK(folder.files() == 0);
    first.save(path);
    {
        const FullDisk full(512, SIG_IGN);
        CHECK_FAILS(second.try_save(path), Status::io, ("cannot write " + path.string() + ": " + why).c_str());
    }
    CHECK(content(path) == first.to_bytes() && folder.files() == 1);
    second.save(path);
    CHECK(content(path) == second.to_bytes());
}

TEST(a_crash_leaves_the_old_file)
{
    const Release release = small_release();
    const Folder folder;
    const fs::path path = folder.path / "release.dpa";
    const std::vector<std::byte> bytes = release.to_bytes(), other(bytes.size(), std::byte{7});
    release.save(path);
    const int status = in_a_child([&] { // the system kills it in the middle of the temporary file
        const rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        const FullDisk full(512, SIG_DFL);
        return dpattn::detail::write_file(path, other).ok() ? 0 : 1;
    });
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    CHECK(content(path) == bytes && folder.files() == 2);
    for (const fs::directory_entry &entry : fs::directory_iterator(folder.path)) {
        CHECK(entry.path() == path || (entry.file_size() == 512 && entry.path().extension() == ".tmp"));
    }
}

TEST(permissions_are_the_systems)
{
    const Release release = small_release();
    const Folder folder;
    const fs::path path = folder.path / "release.dpa", closed = folder.path / "closed";
    const mode_t mask = umask(027);
    release.save(path);
    umask(mask);
    CHECK(fs::status(path).permissions() == fs::perms(0640));

    fs::create_directory(closed);
    fs::permissions(closed, fs::perms(0555));
    fs::permissions(path, fs::perms(0));
    const std::string why = std::error_code(EACCES, std::generic_category()).message();
    const std::vector<std::byte> bytes(600);
    const int status = in_a_child([&] {
        if (geteuid() == 0 && seteuid(65534) != 0) { // root may do everything
            return 2;
        }
        const dpattn::Result<> written = dpattn::detail::write_file(closed / "release.dpa", bytes);
        const dpattn::Result<std::vector<std::byte>> read = dpattn::detail::read_file(path);
        return written.status() == Status::io && harness::has(written.message(), why.c_str()) &&
                       read.status() == Status::io && harness::has(read.message(), why.c_str())
                   ? 0
                   : 1;
    });
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(fs::is_empty(closed));
}
#endif
