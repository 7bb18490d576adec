/// dpattn for C++: attention over private keys and values under (epsilon, delta)-differential
/// privacy.
///
/// Header-only, C++17 or later, over the C library of dpattn.h, which holds the full contract (the
/// guarantee, shapes, units, limits). The way of the data:
///
///     dpattn::Params params;                                  // PUBLIC: shapes, bounds, adjacency
///     dpattn::Builder builder(params);                        // SECRET: exact sums over rows
///     builder.add(keys, values);                              // as often as rows come
///     dpattn::Release release = builder.release({1.0, 1e-6}); // PUBLIC: spends (epsilon, delta)
///     std::vector<float> out = release.attend(queries);       // any number of times, at no cost
///
/// Memory   Tensors and spans are borrowed for the call only; strided memory goes in and out
///          without a copy.
/// Errors   Every function f that can fail has two forms. f(...) throws dpattn::Error. try_f(...)
///          is noexcept and gives a dpattn::Result<T>, and f(...) is exactly try_f(...).value().
///          Constructors have a static try_create. Outputs are untouched on failure, and no message
///          ever holds a private value.
/// Threads  A Release may be used from any number of threads at once; a Builder serialises its own
///          calls. Moving or destroying an object while another thread uses it is a race, as
///          everywhere in C++.
/// fork     In a child made by fork() every call fails with Status::forked.
#ifndef DPATTN_HPP
#define DPATTN_HPP

#include "dpattn.h"

#include "dpattn/span.hpp"
#include "dpattn/error.hpp"
#include "dpattn/tensor.hpp"
#include "dpattn/call.hpp"
#include "dpattn/params.hpp"
#include "dpattn/progress.hpp"
#include "dpattn/library.hpp"
#include "dpattn/merge.hpp"
#include "dpattn/secret.hpp"
#include "dpattn/file.hpp"
#include "dpattn/release.hpp"
#include "dpattn/ledger.hpp"
#include "dpattn/builder.hpp"
#include "dpattn/structures.hpp"

#endif // DPATTN_HPP
