/* Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT. */

/* cgo has no const. A pointer to const goes through one of these, so that a Go export has exactly
 * the type of its prototype in dpattn.h. */
typedef const dpattn_params const_params;
typedef const dpattn_budget const_budget;
typedef const dpattn_tensor const_tensor;
typedef const uint64_t const_uint64;
typedef const dpattn_progress const_progress;
typedef const void const_void;
typedef const char const_char;
typedef const dpattn_allowance const_allowance;
typedef const dpattn_structure_params const_structure_params;
typedef const double const_double;
typedef const int64_t const_int64;

/* X(name of a status). */
#define CAPI_STATUSES(X) \
    X(OK) \
    X(INVALID_ARGUMENT) \
    X(INVALID_HANDLE) \
    X(CONSUMED) \
    X(BUFFER_TOO_SMALL) \
    X(OUT_OF_MEMORY) \
    X(CANCELLED) \
    X(FORKED) \
    X(CORRUPT) \
    X(UNSUPPORTED) \
    X(MISMATCH) \
    X(ENTROPY) \
    X(LIMIT) \
    X(INTERNAL) \
    X(OVERSPENT) \
    X(BUSY) \
    X(IO)

/* X(name of a slot of dpattn_plugin_v1). */
#define CAPI_SLOTS(X) \
    X(plan) \
    X(version) \
    X(version_string) \
    X(build_info) \
    X(status_string) \
    X(set_threads) \
    X(params_init) \
    X(builder_create) \
    X(builder_add) \
    X(builder_merge) \
    X(builder_export_secret) \
    X(builder_import_secret) \
    X(builder_diagnostics) \
    X(builder_release) \
    X(builder_free) \
    X(release_attend) \
    X(release_info) \
    X(release_certificate) \
    X(release_state) \
    X(release_save) \
    X(release_load) \
    X(release_retain) \
    X(release_free) \
    X(merge) \
    X(tree_create) \
    X(tree_query) \
    X(tree_info) \
    X(tree_certificate) \
    X(tree_save) \
    X(tree_load) \
    X(tree_free) \
    X(distance_create) \
    X(distance_query) \
    X(distance_info) \
    X(distance_certificate) \
    X(distance_save) \
    X(distance_load) \
    X(distance_free) \
    X(release_attend_head) \
    X(ledger_create) \
    X(ledger_open) \
    X(ledger_release) \
    X(ledger_load) \
    X(ledger_show) \
    X(ledger_close) \
    X(builder_info) \
    X(release_kv)

/* X(function that goes on to Go, (parameters), (arguments)). */
#define CAPI_ENTRIES(X) \
    X(dpattn_plan, (const dpattn_params *params, uint64_t rows, const dpattn_budget *budget, double \
      target_error, dpattn_plan_result *result, dpattn_error *err), (params, rows, budget, \
      target_error, result, err)) \
    X(dpattn_set_threads, (int32_t threads, dpattn_error *err), (threads, err)) \
    X(dpattn_params_init, (dpattn_params *params, uint32_t struct_size, dpattn_error *err), (params, \
      struct_size, err)) \
    X(dpattn_builder_create, (const dpattn_params *params, dpattn_builder *builder, dpattn_error \
      *err), (params, builder, err)) \
    X(dpattn_builder_add, (dpattn_builder builder, int32_t head, const dpattn_tensor *keys, const \
      dpattn_tensor *values, const uint64_t *owners, const dpattn_progress *progress, dpattn_error \
      *err), (builder, head, keys, values, owners, progress, err)) \
    X(dpattn_builder_merge, (dpattn_builder into, dpattn_builder from, dpattn_error *err), (into, \
      from, err)) \
    X(dpattn_builder_export_secret, (dpattn_builder builder, void *data, size_t capacity, size_t \
      *needed, dpattn_error *err), (builder, data, capacity, needed, err)) \
    X(dpattn_builder_import_secret, (const void *data, size_t size, dpattn_builder *builder, \
      dpattn_error *err), (data, size, builder, err)) \
    X(dpattn_builder_diagnostics, (dpattn_builder builder, dpattn_diagnostics *diagnostics, \
      dpattn_error *err), (builder, diagnostics, err)) \
    X(dpattn_builder_release, (dpattn_builder builder, const dpattn_budget *budget, const \
      dpattn_progress *progress, dpattn_release *release, dpattn_error *err), (builder, budget, \
      progress, release, err)) \
    X(dpattn_builder_free, (dpattn_builder builder, dpattn_error *err), (builder, err)) \
    X(dpattn_release_attend, (dpattn_release release, const dpattn_tensor *queries, const \
      dpattn_tensor *out, const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped, \
      dpattn_error *err), (release, queries, out, lse, stddev, clipped, err)) \
    X(dpattn_release_info, (dpattn_release release, dpattn_info *info, dpattn_error *err), (release, \
      info, err)) \
    X(dpattn_release_certificate, (dpattn_release release, char *json, size_t capacity, size_t \
      *needed, dpattn_error *err), (release, json, capacity, needed, err)) \
    X(dpattn_release_state, (dpattn_release release, int64_t *state, size_t capacity, size_t \
      *needed, dpattn_error *err), (release, state, capacity, needed, err)) \
    X(dpattn_release_save, (dpattn_release release, void *data, size_t capacity, size_t *needed, \
      dpattn_error *err), (release, data, capacity, needed, err)) \
    X(dpattn_release_load, (const void *data, size_t size, dpattn_release *release, dpattn_error \
      *err), (data, size, release, err)) \
    X(dpattn_release_retain, (dpattn_release release, dpattn_release *copy, dpattn_error *err), \
      (release, copy, err)) \
    X(dpattn_release_free, (dpattn_release release, dpattn_error *err), (release, err)) \
    X(dpattn_merge, (const dpattn_tensor *out_a, const dpattn_tensor *lse_a, const dpattn_tensor \
      *out_b, const dpattn_tensor *lse_b, const dpattn_tensor *out, const dpattn_tensor *lse, \
      dpattn_error *err), (out_a, lse_a, out_b, lse_b, out, lse, err)) \
    X(dpattn_tree_create, (const dpattn_structure_params *params, const double *values, const \
      int64_t *positions, const uint64_t *owners, uint64_t rows, const dpattn_budget *budget, const \
      dpattn_progress *progress, dpattn_diagnostics *diagnostics, dpattn_tree *tree, dpattn_error \
      *err), (params, values, positions, owners, rows, budget, progress, diagnostics, tree, err)) \
    X(dpattn_tree_query, (dpattn_tree tree, const int64_t *first, const int64_t *last, uint64_t \
      ranges, double *sums, double *stddev, dpattn_error *err), (tree, first, last, ranges, sums, \
      stddev, err)) \
    X(dpattn_tree_info, (dpattn_tree tree, dpattn_structure_info *info, dpattn_error *err), (tree, \
      info, err)) \
    X(dpattn_tree_certificate, (dpattn_tree tree, char *json, size_t capacity, size_t *needed, \
      dpattn_error *err), (tree, json, capacity, needed, err)) \
    X(dpattn_tree_save, (dpattn_tree tree, void *data, size_t capacity, size_t *needed, dpattn_error \
      *err), (tree, data, capacity, needed, err)) \
    X(dpattn_tree_load, (const void *data, size_t size, dpattn_tree *tree, dpattn_error *err), \
      (data, size, tree, err)) \
    X(dpattn_tree_free, (dpattn_tree tree, dpattn_error *err), (tree, err)) \
    X(dpattn_distance_create, (const dpattn_structure_params *params, const dpattn_tensor *points, \
      const dpattn_tensor *weights, const uint64_t *owners, const dpattn_budget *budget, const \
      dpattn_progress *progress, dpattn_diagnostics *diagnostics, dpattn_distance *distance, \
      dpattn_error *err), (params, points, weights, owners, budget, progress, diagnostics, distance, \
      err)) \
    X(dpattn_distance_query, (dpattn_distance distance, const dpattn_tensor *queries, const \
      dpattn_tensor *l1, const dpattn_tensor *l2, dpattn_error *err), (distance, queries, l1, l2, \
      err)) \
    X(dpattn_distance_info, (dpattn_distance distance, dpattn_structure_info *info, dpattn_error \
      *err), (distance, info, err)) \
    X(dpattn_distance_certificate, (dpattn_distance distance, char *json, size_t capacity, size_t \
      *needed, dpattn_error *err), (distance, json, capacity, needed, err)) \
    X(dpattn_distance_save, (dpattn_distance distance, void *data, size_t capacity, size_t *needed, \
      dpattn_error *err), (distance, data, capacity, needed, err)) \
    X(dpattn_distance_load, (const void *data, size_t size, dpattn_distance *distance, dpattn_error \
      *err), (data, size, distance, err)) \
    X(dpattn_distance_free, (dpattn_distance distance, dpattn_error *err), (distance, err)) \
    X(dpattn_release_attend_head, (dpattn_release release, int32_t head, const dpattn_tensor \
      *queries, const dpattn_tensor *out, const dpattn_tensor *lse, const dpattn_tensor *stddev, \
      uint64_t *clipped, dpattn_error *err), (release, head, queries, out, lse, stddev, clipped, \
      err)) \
    X(dpattn_ledger_create, (const char *path, const dpattn_allowance *allowance, dpattn_ledger \
      *ledger, dpattn_error *err), (path, allowance, ledger, err)) \
    X(dpattn_ledger_open, (const char *path, dpattn_ledger *ledger, dpattn_error *err), (path, \
      ledger, err)) \
    X(dpattn_ledger_release, (dpattn_ledger ledger, const char *label, dpattn_builder builder, const \
      dpattn_budget *budget, const dpattn_progress *progress, dpattn_release *release, dpattn_error \
      *err), (ledger, label, builder, budget, progress, release, err)) \
    X(dpattn_ledger_load, (dpattn_ledger ledger, const char *label, dpattn_release *release, \
      dpattn_error *err), (ledger, label, release, err)) \
    X(dpattn_ledger_show, (dpattn_ledger ledger, char *json, size_t capacity, size_t *needed, \
      dpattn_error *err), (ledger, json, capacity, needed, err)) \
    X(dpattn_ledger_close, (dpattn_ledger ledger, dpattn_error *err), (ledger, err)) \
    X(dpattn_builder_info, (dpattn_builder builder, dpattn_info *info, dpattn_error *err), (builder, \
      info, err)) \
    X(dpattn_release_kv, (dpattn_release release, const dpattn_tensor *keys, const dpattn_tensor \
      *values, const dpattn_tensor *bias, dpattn_error *err), (release, keys, values, bias, err))
