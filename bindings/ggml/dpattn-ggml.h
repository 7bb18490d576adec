/* Private attention as a node of a ggml graph.
 *
 *     dpattn_ggml context; // holds the release; outlives every graph that uses it
 *     dpattn_ggml_init(&context, &functions, release, &err);
 *     struct ggml_tensor *out = dpattn_ggml_attend(ctx, &context, q);
 *     out = ggml_reshape_2d(ctx, out, value_dim * heads, queries); // on to the output projection
 *     ...
 *     dpattn_ggml_free(&context);
 *
 * The functions are those that dpattn_plugin_init fills in, looked up or linked. The node stands
 * for ggml_flash_attn_ext and has its shapes, with the release in place of keys and values:
 *     q    [key_dim, queries, heads, batch]    f32, f16 or bf16, of any strides: a permuted view
 *                                              goes in without a copy
 *     out  [value_dim, heads, queries, batch]  f32, contiguous
 * `heads` may be a multiple of the release's heads: query heads i*n .. i*n + n-1 then share head i
 * of the release (grouped queries). The release's own scale applies, longer queries are scaled to
 * its query_bound (a codebook release has none), and there is no mask: every row of a release is
 * past. A codebook release can do without this node: kv.c puts it into ggml_flash_attn_ext itself.
 *
 * Threads  Heads and queries are shared out among the threads that compute the graph, so the
 *          library need not have threads of its own beside them: call functions.set_threads(1,
 *          NULL) once, unless something else in the process builds releases meanwhile.
 * Backend  The CPU's; ggml's scheduler moves the tensors there and back.
 * Errors   A graph that does not fit the release, and a call that fails (in a child made by
 *          fork()), end the process as GGML_ASSERT does.
 * Privacy  A graph sees the release alone, which is public: computing it costs no privacy, however
 *          often.
 *
 * C99 or C++, and a ggml that has ggml_custom_4d. The host includes dpattn.h with or without
 * DPATTN_NO_PROTOTYPES. */
#ifndef DPATTN_GGML_H
#define DPATTN_GGML_H

#include "dpattn.h"

#include "ggml.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Read-only after dpattn_ggml_init, so any number of graphs may use it at once. */
typedef struct dpattn_ggml {
    const dpattn_plugin_v1 *functions; /* borrowed */
    dpattn_release release;            /* a handle of its own */
    dpattn_info info;
} dpattn_ggml;

/* Takes a handle of its own to the release, so the caller's may be freed. Status: OK,
 * INVALID_HANDLE, UNSUPPORTED (the library is older than this header), FORKED. */
static inline int32_t dpattn_ggml_init(dpattn_ggml *context, const dpattn_plugin_v1 *functions, dpattn_release release,
                                       dpattn_error *err)
{
    static const char older[] = "functions.release_attend_head is NULL; it takes a newer library";
    int32_t status;
    if (functions->release_attend_head == NULL) {
        if (err != NULL) {
            err->code = DPATTN_UNSUPPORTED;
            memcpy(err->message, older, sizeof older);
        }
        return DPATTN_UNSUPPORTED;
    }
    context->functions = functions;
    context->info.struct_size = (uint32_t)sizeof context->info;
    status = functions->release_info(release, &context->info, err);
    return status != DPATTN_OK ? status : functions->release_retain(release, &context->release, err);
}

static inline int32_t dpattn_ggml_free(dpattn_ggml *context)
{
    return context->functions->release_free(context->release, NULL);
}

static inline int32_t dpattn_ggml_dtype(enum ggml_type type)
{
    return type == GGML_TYPE_F32    ? DPATTN_F32
           : type == GGML_TYPE_F16  ? DPATTN_F16
           : type == GGML_TYPE_BF16 ? DPATTN_BF16
                                    : 0;
}

/* Queries first .. last-1 of one head of one batch entry. */
static inline void dpattn_ggml_part(const dpattn_ggml *context, const struct ggml_tensor *q, struct ggml_tensor *out,
                                    int64_t batch, int64_t head, int64_t first, int64_t last)
{
    dpattn_tensor queries, answers;
    dpattn_error err = DPATTN_ERROR_INIT;

    queries.data = (char *)q->data + (size_t)batch * q->nb[3] + (size_t)head * q->nb[2] + (size_t)first * q->nb[1];
    queries.dtype = dpattn_ggml_dtype(q->type);
    answers.data =
        (char *)out->data + (size_t)batch * out->nb[3] + (size_t)first * out->nb[2] + (size_t)head * out->nb[1];
    answers.dtype = DPATTN_F32;
    queries.ndim = answers.ndim = 2;
    queries.shape[0] = answers.shape[0] = last - first;
    queries.shape[1] = q->ne[0], answers.shape[1] = out->ne[0];
    queries.strides[0] = (int64_t)q->nb[1], answers.strides[0] = (int64_t)out->nb[2];
    queries.strides[1] = (int64_t)q->nb[0], answers.strides[1] = (int64_t)out->nb[0];

    head /= q->ne[2] / context->info.heads; /* of the release */
    if (context->functions->release_attend_head(context->release, (int32_t)head, &queries, &answers, NULL, NULL, NULL,
                                                &err) != DPATTN_OK)
        GGML_ABORT("dpattn: %s", err.message);
}

/* What ggml calls: thread ith of nth answers its share of all (batch, head, query). */
static inline void dpattn_ggml_compute(struct ggml_tensor *out, int ith, int nth, void *userdata)
{
    const dpattn_ggml *context = (const dpattn_ggml *)userdata;
    const struct ggml_tensor *q = out->src[0];
    const int64_t queries = q->ne[1], heads = q->ne[2], all = q->ne[3] * heads * queries;
    int64_t next = all * ith / nth;
    const int64_t end = all * (ith + 1) / nth;

    while (next < end) {
        const int64_t row = next / queries, first = next % queries, left = end - next;
        const int64_t last = left < queries - first ? first + left : queries;
        dpattn_ggml_part(context, q, out, row / heads, row % heads, first, last);
        next += last - first;
    }
}

/* Adds the node to a graph. `context` is borrowed until the last graph with the node was
 * computed. */
static inline struct ggml_tensor *dpattn_ggml_attend(struct ggml_context *ctx, const dpattn_ggml *context,
                                                     struct ggml_tensor *q)
{
    GGML_ASSERT(dpattn_ggml_dtype(q->type) != 0 && "q is f32, f16 or bf16");
    GGML_ASSERT(q->ne[0] == (int64_t)context->info.key_dim && "q is [key_dim, queries, heads, batch]");
    GGML_ASSERT(q->ne[2] % (int64_t)context->info.heads == 0 && "q has the release's heads, or a multiple");
    return ggml_custom_4d(ctx, GGML_TYPE_F32, (int64_t)context->info.value_dim, q->ne[2], q->ne[1], q->ne[3], &q, 1,
                          dpattn_ggml_compute, GGML_N_TASKS_MAX, (void *)context);
}

#ifdef __cplusplus
}
#endif

#endif /* DPATTN_GGML_H */
