/* The visible functions. Those that need the Go runtime are a fork check and a jump to the Go export of the same type. */

#include "_cgo_export.h"
#include "internal.h"

int32_t capi_refuse_child(dpattn_error *err)
{
    static const char text[] = "this process was made by fork(); load the library after exec, or use spawn or forkserver";
    capi_set_error(err, DPATTN_FORKED, text, sizeof text - 1);
    return DPATTN_FORKED;
}

/* The declaration makes the compiler compare the Go export's type, from _cgo_export.h, with the prototype in dpattn.h. */
#define ENTER(function, ...)                                                          \
    {                                                                                 \
        extern __typeof__(function) go_##function;                                    \
        if (capi_forked)                                                              \
            return capi_refuse_child(err);                                            \
        capi_set_error(err, DPATTN_OK, "", 0);                                        \
        return go_##function(__VA_ARGS__);                                            \
    }

#define STRING(x) #x
#define DOTTED(major, minor, patch) STRING(major) "." STRING(minor) "." STRING(patch)

uint32_t dpattn_version(void)
{
    return (uint32_t)DPATTN_VERSION_MAJOR << 16 | DPATTN_VERSION_MINOR << 8 | DPATTN_VERSION_PATCH;
}

const char *dpattn_version_string(void)
{
    return DOTTED(DPATTN_VERSION_MAJOR, DPATTN_VERSION_MINOR, DPATTN_VERSION_PATCH);
}

const char *dpattn_build_info(void)
{
    extern __typeof__(dpattn_build_info) go_dpattn_build_info;
    return capi_forked ? NULL : go_dpattn_build_info();
}

const char *dpattn_status_string(int32_t status)
{
    /* A switch over the enum without a default: the compiler names a status that is missing. */
    switch ((enum dpattn_status)status) {
    case DPATTN_OK: return "OK";
    case DPATTN_INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case DPATTN_INVALID_HANDLE: return "INVALID_HANDLE";
    case DPATTN_CONSUMED: return "CONSUMED";
    case DPATTN_BUFFER_TOO_SMALL: return "BUFFER_TOO_SMALL";
    case DPATTN_OUT_OF_MEMORY: return "OUT_OF_MEMORY";
    case DPATTN_CANCELLED: return "CANCELLED";
    case DPATTN_FORKED: return "FORKED";
    case DPATTN_CORRUPT: return "CORRUPT";
    case DPATTN_UNSUPPORTED: return "UNSUPPORTED";
    case DPATTN_MISMATCH: return "MISMATCH";
    case DPATTN_ENTROPY: return "ENTROPY";
    case DPATTN_LIMIT: return "LIMIT";
    case DPATTN_INTERNAL: return "INTERNAL";
    case DPATTN_OVERSPENT: return "OVERSPENT";
    case DPATTN_BUSY: return "BUSY";
    case DPATTN_IO: return "IO";
    }
    return "UNKNOWN";
}

int32_t dpattn_set_threads(int32_t threads, dpattn_error *err)
ENTER(dpattn_set_threads, threads, err)

int32_t dpattn_params_init(dpattn_params *params, uint32_t struct_size, dpattn_error *err)
ENTER(dpattn_params_init, params, struct_size, err)

int32_t dpattn_plan(const dpattn_params *params, uint64_t rows, const dpattn_budget *budget, double target_error,
                    dpattn_plan_result *result, dpattn_error *err)
ENTER(dpattn_plan, params, rows, budget, target_error, result, err)

int32_t dpattn_builder_create(const dpattn_params *params, dpattn_builder *builder, dpattn_error *err)
ENTER(dpattn_builder_create, params, builder, err)

int32_t dpattn_builder_add(dpattn_builder builder, int32_t head, const dpattn_tensor *keys, const dpattn_tensor *values,
                           const uint64_t *owners, const dpattn_progress *progress, dpattn_error *err)
ENTER(dpattn_builder_add, builder, head, keys, values, owners, progress, err)

int32_t dpattn_builder_merge(dpattn_builder into, dpattn_builder from, dpattn_error *err)
ENTER(dpattn_builder_merge, into, from, err)

int32_t dpattn_builder_export_secret(dpattn_builder builder, void *data, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_builder_export_secret, builder, data, capacity, needed, err)

int32_t dpattn_builder_import_secret(const void *data, size_t size, dpattn_builder *builder, dpattn_error *err)
ENTER(dpattn_builder_import_secret, data, size, builder, err)

int32_t dpattn_builder_diagnostics(dpattn_builder builder, dpattn_diagnostics *diagnostics, dpattn_error *err)
ENTER(dpattn_builder_diagnostics, builder, diagnostics, err)

int32_t dpattn_builder_release(dpattn_builder builder, const dpattn_budget *budget, const dpattn_progress *progress,
                               dpattn_release *release, dpattn_error *err)
ENTER(dpattn_builder_release, builder, budget, progress, release, err)

int32_t dpattn_builder_free(dpattn_builder builder, dpattn_error *err)
ENTER(dpattn_builder_free, builder, err)

int32_t dpattn_release_attend(dpattn_release release, const dpattn_tensor *queries, const dpattn_tensor *out,
                              const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped, dpattn_error *err)
ENTER(dpattn_release_attend, release, queries, out, lse, stddev, clipped, err)

int32_t dpattn_release_attend_head(dpattn_release release, int32_t head, const dpattn_tensor *queries, const dpattn_tensor *out,
                                   const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped, dpattn_error *err)
ENTER(dpattn_release_attend_head, release, head, queries, out, lse, stddev, clipped, err)

int32_t dpattn_release_info(dpattn_release release, dpattn_info *info, dpattn_error *err)
ENTER(dpattn_release_info, release, info, err)

int32_t dpattn_release_certificate(dpattn_release release, char *json, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_release_certificate, release, json, capacity, needed, err)

int32_t dpattn_release_state(dpattn_release release, int64_t *state, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_release_state, release, state, capacity, needed, err)

int32_t dpattn_release_save(dpattn_release release, void *data, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_release_save, release, data, capacity, needed, err)

int32_t dpattn_release_load(const void *data, size_t size, dpattn_release *release, dpattn_error *err)
ENTER(dpattn_release_load, data, size, release, err)

int32_t dpattn_release_retain(dpattn_release release, dpattn_release *copy, dpattn_error *err)
ENTER(dpattn_release_retain, release, copy, err)

int32_t dpattn_release_free(dpattn_release release, dpattn_error *err)
ENTER(dpattn_release_free, release, err)

int32_t dpattn_merge(const dpattn_tensor *out_a, const dpattn_tensor *lse_a, const dpattn_tensor *out_b,
                     const dpattn_tensor *lse_b, const dpattn_tensor *out, const dpattn_tensor *lse, dpattn_error *err)
ENTER(dpattn_merge, out_a, lse_a, out_b, lse_b, out, lse, err)

int32_t dpattn_tree_create(const dpattn_structure_params *params, const double *values, const int64_t *positions,
                           const uint64_t *owners, uint64_t rows, const dpattn_budget *budget, const dpattn_progress *progress,
                           dpattn_diagnostics *diagnostics, dpattn_tree *tree, dpattn_error *err)
ENTER(dpattn_tree_create, params, values, positions, owners, rows, budget, progress, diagnostics, tree, err)

int32_t dpattn_tree_query(dpattn_tree tree, const int64_t *first, const int64_t *last, uint64_t ranges, double *sums,
                          double *stddev, dpattn_error *err)
ENTER(dpattn_tree_query, tree, first, last, ranges, sums, stddev, err)

int32_t dpattn_tree_info(dpattn_tree tree, dpattn_structure_info *info, dpattn_error *err)
ENTER(dpattn_tree_info, tree, info, err)

int32_t dpattn_tree_certificate(dpattn_tree tree, char *json, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_tree_certificate, tree, json, capacity, needed, err)

int32_t dpattn_tree_save(dpattn_tree tree, void *data, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_tree_save, tree, data, capacity, needed, err)

int32_t dpattn_tree_load(const void *data, size_t size, dpattn_tree *tree, dpattn_error *err)
ENTER(dpattn_tree_load, data, size, tree, err)

int32_t dpattn_tree_free(dpattn_tree tree, dpattn_error *err)
ENTER(dpattn_tree_free, tree, err)

int32_t dpattn_distance_create(const dpattn_structure_params *params, const dpattn_tensor *points, const dpattn_tensor *weights,
                               const uint64_t *owners, const dpattn_budget *budget, const dpattn_progress *progress,
                               dpattn_diagnostics *diagnostics, dpattn_distance *distance, dpattn_error *err)
ENTER(dpattn_distance_create, params, points, weights, owners, budget, progress, diagnostics, distance, err)

int32_t dpattn_distance_query(dpattn_distance distance, const dpattn_tensor *queries, const dpattn_tensor *l1,
                              const dpattn_tensor *l2, dpattn_error *err)
ENTER(dpattn_distance_query, distance, queries, l1, l2, err)

int32_t dpattn_distance_info(dpattn_distance distance, dpattn_structure_info *info, dpattn_error *err)
ENTER(dpattn_distance_info, distance, info, err)

int32_t dpattn_distance_certificate(dpattn_distance distance, char *json, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_distance_certificate, distance, json, capacity, needed, err)

int32_t dpattn_distance_save(dpattn_distance distance, void *data, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_distance_save, distance, data, capacity, needed, err)

int32_t dpattn_distance_load(const void *data, size_t size, dpattn_distance *distance, dpattn_error *err)
ENTER(dpattn_distance_load, data, size, distance, err)

int32_t dpattn_distance_free(dpattn_distance distance, dpattn_error *err)
ENTER(dpattn_distance_free, distance, err)

int32_t dpattn_ledger_create(const char *path, const dpattn_allowance *allowance, dpattn_ledger *ledger, dpattn_error *err)
ENTER(dpattn_ledger_create, path, allowance, ledger, err)

int32_t dpattn_ledger_open(const char *path, dpattn_ledger *ledger, dpattn_error *err)
ENTER(dpattn_ledger_open, path, ledger, err)

int32_t dpattn_ledger_release(dpattn_ledger ledger, const char *label, dpattn_builder builder, const dpattn_budget *budget,
                              const dpattn_progress *progress, dpattn_release *release, dpattn_error *err)
ENTER(dpattn_ledger_release, ledger, label, builder, budget, progress, release, err)

int32_t dpattn_ledger_load(dpattn_ledger ledger, const char *label, dpattn_release *release, dpattn_error *err)
ENTER(dpattn_ledger_load, ledger, label, release, err)

int32_t dpattn_ledger_show(dpattn_ledger ledger, char *json, size_t capacity, size_t *needed, dpattn_error *err)
ENTER(dpattn_ledger_show, ledger, json, capacity, needed, err)

int32_t dpattn_ledger_close(dpattn_ledger ledger, dpattn_error *err)
ENTER(dpattn_ledger_close, ledger, err)
