// Progress: watches and stops long work.
#pragma once

#include "dpattn.h"

#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace dpattn {

/// Watches and stops long work. `callback(done, total)` is called now and then from the calling
/// thread; false cancels, and an exception cancels too and is rethrown by the throwing form.
/// `cancel`, if not null, is polled; non-zero cancels (a signal handler may set it). A cancelled
/// call has changed nothing.
struct Progress {
    std::function<bool(std::uint64_t done, std::uint64_t total)> callback;
    const volatile std::int32_t *cancel = nullptr;

    Progress() = default;
    explicit Progress(const volatile std::int32_t *flag) noexcept : cancel(flag) {}
    template <class F, class = std::enable_if_t<std::is_invocable_r_v<bool, F &, std::uint64_t, std::uint64_t>>>
    Progress(F function, const volatile std::int32_t *flag = nullptr) : callback(std::move(function)), cancel(flag)
    {
    }
};

namespace detail {

/// The C side of a Progress: keeps an exception of the callback until the library has returned.
class Watch {
public:
    explicit Watch(const Progress &progress) noexcept : progress_(progress)
    {
        raw_.struct_size = static_cast<std::uint32_t>(sizeof(raw_));
        raw_.callback = progress.callback ? &Watch::call : nullptr;
        raw_.user = this;
        raw_.cancel = progress.cancel;
    }
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;

    const dpattn_progress *pointer() const noexcept
    {
        return raw_.callback != nullptr || raw_.cancel != nullptr ? &raw_ : nullptr;
    }
    std::exception_ptr cause() noexcept { return std::move(cause_); }

private:
    static std::int32_t call(void *user, std::uint64_t done, std::uint64_t total) noexcept
    {
        auto &self = *static_cast<Watch *>(user);
        if (self.cause_) {
            return 1;
        }
        try {
            return self.progress_.callback(done, total) ? 0 : 1;
        } catch (...) {
            self.cause_ = std::current_exception();
            return 1;
        }
    }

    const Progress &progress_;
    dpattn_progress raw_{};
    std::exception_ptr cause_;
};

} // namespace detail

} // namespace dpattn
