/* dpattn: attention over private keys and values under (epsilon, delta)-differential privacy.
 *
 * Three objects, and a privacy line between the last two:
 *
 *   dpattn_params   PUBLIC  plain struct: shapes, norm bounds, adjacency.
 *   dpattn_builder  SECRET  exact sums over private rows, no noise yet: stays in the trusted
 *                   process.
 *   dpattn_release  PUBLIC  the noisy state: answers any number of queries, may be published.
 *
 * Rows go in once (dpattn_builder_add) and the budget is spent once (dpattn_builder_release).
 * Everything done with the release afterwards is post-processing: it costs no further privacy,
 * however many queries are asked and however they depend on earlier answers.
 *
 * For a query q, the exact value that is approximated is
 *     out(q) = sum_j w_j v_j / sum_j w_j,  w_j = exp(scale * <q, k_j>),  lse(q) = ln sum_j w_j
 * with the natural logarithm.
 *
 * THE GUARANTEE is about rows (k_j, v_j) as given, or about owners with all their rows. In a deep
 * network one input token changes many rows of upper layers; bounding that is the caller's part.
 * All bounds (key_bound, ...) must be chosen without looking at the private data.
 *
 * CONVENTIONS
 * Status    Every function returns an int32_t status (enum dpattn_status) unless noted. Any
 *           function may return DPATTN_FORKED (see below) or DPATTN_INTERNAL (a bug; please
 *           report); these two are not repeated below. Detail text goes to the optional
 *           caller-owned `err` (NULL: not wanted); it names the argument, what it was and what it
 *           must be, and never contains a private value. There is no thread-local state and nothing
 *           to free. Outputs are untouched when the status is not DPATTN_OK, except `*needed` where
 *           documented.
 * Pointers  are borrowed for the duration of the call only.
 * Structs   begin with `uint32_t struct_size`, which the caller sets to sizeof(struct)
 *           (dpattn_params_init does for params, DPATTN_ERROR_INIT for errors). Fields are only
 *           ever appended; a shorter, older struct is accepted and its missing fields are zero; a
 *           longer, newer one is accepted if its extra bytes are zero, else it is UNSUPPORTED.
 *           Output structs are filled as far as struct_size reaches. Zero means "default" for every
 *           field that has one.
 * Handles   are integers checked by generation: zero, stale, freed twice or of the wrong type give
 *           DPATTN_INVALID_HANDLE, never undefined behaviour.
 * Signals   Handlers that were there before loading keep working; later ones should use SA_ONSTACK.
 * Threads   A release may be used from any number of threads at once. A builder serialises its own
 *           calls.
 * fork      In a child made by fork() every function returns DPATTN_FORKED at once (the runtime
 *           inside has threads, which do not survive a fork). Use exec, spawn or forkserver.
 * Unload    The library stays in memory once loaded; dlclose is harmless.
 */
#ifndef DPATTN_H
#define DPATTN_H

#include <stddef.h>
#include <stdint.h>

#define DPATTN_VERSION_MAJOR 0
#define DPATTN_VERSION_MINOR 1
#define DPATTN_VERSION_PATCH 0

/* Hosts that dlopen the library may define DPATTN_NO_PROTOTYPES and use the types alone,
 * dpattn_plugin_v1 among them. */
#if defined(_WIN32) && !defined(DPATTN_BUILD)
#define DPATTN_API __declspec(dllimport)
#elif defined(_WIN32)
#define DPATTN_API __declspec(dllexport)
#elif defined(__GNUC__)
#define DPATTN_API __attribute__((visibility("default")))
#else
#define DPATTN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ---------------------------------------------------------------------------------- */

/* Append-only. */
enum dpattn_status {
    DPATTN_OK = 0,
    DPATTN_INVALID_ARGUMENT = 1, /* an argument is NULL, out of range, of the wrong shape, or missing */
    DPATTN_INVALID_HANDLE = 2,   /* zero, freed, stale or of another type */
    DPATTN_CONSUMED = 3,         /* the builder was released or merged into another one; its data are wiped */
    DPATTN_BUFFER_TOO_SMALL = 4, /* *needed says how many bytes (or elements) are */
    DPATTN_OUT_OF_MEMORY = 5,    /* the state would not fit; the message says how many bytes it would need */
    DPATTN_CANCELLED = 6,        /* the progress callback or the cancel flag asked to stop; nothing was changed */
    DPATTN_FORKED = 7,           /* called in a child process made by fork() */
    DPATTN_CORRUPT = 8,          /* a saved release or partial was cut, altered, or is not one */
    DPATTN_UNSUPPORTED = 9,      /* valid, but not in this version of the library */
    DPATTN_MISMATCH = 10,        /* two objects that should be combined have different parameters */
    /* The kernel gave no randomness; nothing was released or exported, nothing was spent. Where
     * Go's runtime meets that first, it ends the process instead. */
    DPATTN_ENTROPY = 11,
    DPATTN_LIMIT = 12,     /* a fixed limit (rows, partials, sigma) would be exceeded */
    DPATTN_INTERNAL = 13,  /* a bug in this library */
    DPATTN_OVERSPENT = 14, /* the ledger cannot afford it; no noise was drawn, nothing was spent */
    DPATTN_BUSY = 15,      /* another process or thread has been working on the ledger for ten seconds */
    DPATTN_IO = 16         /* a file could not be read or written; the message has the system's reason */
};

/* Where the detail text goes. Caller-owned; set size = sizeof(dpattn_error) or use
 * DPATTN_ERROR_INIT. */
typedef struct dpattn_error {
    uint32_t size;     /* in: sizeof(dpattn_error) */
    int32_t code;      /* out: the status returned; message is empty after OK */
    char message[504]; /* out: NUL-terminated UTF-8, cut if too long */
} dpattn_error;

#define DPATTN_ERROR_INIT { (uint32_t)sizeof(dpattn_error), 0, { 0 } }

/* ---- Tensors --------------------------------------------------------------------------------- */

/* Append-only. 16-bit types are stored in the machine's byte order. */
enum dpattn_dtype {
    DPATTN_F32 = 1,
    DPATTN_F64 = 2,
    DPATTN_F16 = 3, /* IEEE 754 binary16 */
    DPATTN_BF16 = 4
};

#define DPATTN_MAX_NDIM 3

/* A borrowed, strided view: element (i0, i1, i2) is at (char *)data + sum_a i_a * strides[a].
 * Strides are in BYTES, at least those of an element, and may be negative, zero (inputs only: a
 * broadcast axis) or unaligned. ndim is 2 or 3 as each function says. Elements of an output must
 * not overlap each other or any other argument. */
typedef struct dpattn_tensor {
    void *data;    /* may be NULL only when some shape[a] == 0 */
    int32_t dtype; /* enum dpattn_dtype */
    int32_t ndim;  /* 2 or 3 */
    int64_t shape[DPATTN_MAX_NDIM];
    int64_t strides[DPATTN_MAX_NDIM]; /* bytes */
} dpattn_tensor;

/* ---- Parameters (PUBLIC) --------------------------------------------------------------------- */

/* Limits of the fields below and of arguments. */
#define DPATTN_MAX_DIM 65536             /* heads, key_dim, value_dim, dim of a distance */
#define DPATTN_MAX_DEGREE 8
#define DPATTN_MAX_OWNER_ROWS 1048576    /* 2^20 */
#define DPATTN_MIN_OWNER_BOUND (1.0 / 1024)
#define DPATTN_MAX_LOGIT_BOUND 64.0      /* scale * query_bound * key_bound; range^2 */
#define DPATTN_MAX_ROWS 1073741824       /* 2^30: rows of a head */
#define DPATTN_MAX_LEAVES 1048576        /* 2^20: points of a grid */
#define DPATTN_MAX_TREE_LEAVES 268435456 /* 2^28: places of a dpattn_tree */
#define DPATTN_MAX_COPIES 16777216       /* 2^24 */
#define DPATTN_MAX_CELLS 65536           /* of a codebook, a head */
#define DPATTN_MAX_THREADS 4096

/* Neighbouring data sets. Required: there is no default, because the two differ by up to a factor 2
 * in noise. */
enum dpattn_adjacency {
    /* One unit is added or removed; the number of rows is private. */
    DPATTN_ADD_REMOVE = 1,
    /* One unit's rows are replaced by others; the number of rows is public, but with owners as
     * units it is not published. */
    DPATTN_REPLACE = 2
};

enum dpattn_mechanism {
    DPATTN_MECHANISM_DEFAULT = 0, /* = GAUSSIAN */
    /* Gaussian moment release: exact integer sums and exactly sampled rounded Gaussian noise. */
    DPATTN_GAUSSIAN = 1,
    /* DPTreeCrossAttention of arXiv 2407.14717: binary trees with truncated Laplace noise. For
     * reference: at the same budget its error and its state are larger by orders of magnitude
     * (docs/paper.md). */
    DPATTN_DPTREE = 2,
    /* Codebook release: every key belongs to the cell of its nearest public centroid; exact sums of
     * values and rows a cell, with the same noise. For sharp attention on real keys, where there
     * are public rows of the same kind. Its release is a key-value cache (dpattn_release_kv). */
    DPATTN_CODEBOOK = 3
};

/* The polynomial p of degree `degree` that stands for exp on [-b, b], b = scale * query_bound *
 * key_bound. */
enum dpattn_polynomial {
    DPATTN_POLYNOMIAL_DEFAULT = 0, /* = MINIMAX */
    DPATTN_MINIMAX = 1,            /* smallest relative error on [-b, b]; use it when values matter */
    DPATTN_TAYLOR = 2              /* Taylor at 0; often better when only the arg-max matters */
};

enum dpattn_rotation {
    DPATTN_ROTATION_DEFAULT = 0,  /* = HADAMARD */
    DPATTN_ROTATION_HADAMARD = 1, /* fixed public randomised Hadamard rotation of queries and keys: spreads outliers */
    DPATTN_ROTATION_NONE = 2
};

/* Whether DPTREE keeps trees. Without, it releases the sums of w P(k) that the trees' squared
 * distances come down to: r noisy numbers a copy and column. */
enum dpattn_trees {
    DPATTN_TREES_DEFAULT = 0, /* = KEPT */
    DPATTN_TREES_KEPT = 1,
    DPATTN_TREES_NONE = 2
};

/* All public. Initialise with dpattn_params_init, then set at least key_dim, value_dim, adjacency
 * and the three bounds (DPTREE: range, value_range and rows; CODEBOOK: key_bound, value_bound,
 * codebook and cells). */
typedef struct dpattn_params {
    uint32_t struct_size;
    uint32_t heads;     /* 1..65536; 0: 1. A row j is one unit across all heads: one budget covers them all */
    uint32_t key_dim;   /* 1..65536, required */
    uint32_t value_dim; /* 1..65536, required */
    uint32_t degree;    /* 1..8; 0: 2. Features per head: C(key_dim + degree, degree) */
    int32_t mechanism;  /* enum dpattn_mechanism */
    int32_t polynomial; /* enum dpattn_polynomial */
    int32_t adjacency;  /* enum dpattn_adjacency, required */
    /* 0: the unit is one row. m in 1..1048576: the unit is one owner (document, person), of whom at
     * most m rows a head are kept; dpattn_builder_add then requires owner ids. */
    uint32_t owner_rows;
    int32_t rotation;   /* enum dpattn_rotation */
    double key_bound;   /* Euclidean norm bound of a (centred) key, required, > 0; longer keys are scaled to it */
    double value_bound; /* Euclidean norm bound of a value, required, > 0; longer values are scaled to it */
    double query_bound; /* Euclidean norm bound of a query, required, > 0; longer queries are scaled to it */
    double scale;       /* logit = scale * <q, k>; > 0; 0: 1 / sqrt(key_dim). b = scale*query_bound*key_bound <= 64 */
    /* Weight of the denominator column in units of a value: value_bound/64..value_bound*16;
     * 0: value_bound * value_dim^(-1/4). */
    double lambda;
    const double *center; /* NULL or heads x key_dim doubles: a public vector subtracted from every key of the head */
    /* NULL (equal) or `heads` positive doubles: head h gets the share w_h / sum w of the squared
     * privacy loss mu^2; a larger share means less noise on that head. */
    const double *head_weights;
    /* How many rows' worth of norm the kept rows of one owner may add to a head together, where a
     * row at its bounds is 1; a longer sum is scaled to it, exactly. The noise is that of one row
     * times owner_bound, however many rows are kept. 1/1024..owner_rows; 0: owner_rows, so that no
     * sum is ever longer. */
    double owner_bound;

    /* DPTREE alone reads what follows; with other mechanisms it must be zero. DPTREE in turn has no
     * norm bounds: key_bound, value_bound, query_bound, scale, lambda, owner_bound, polynomial,
     * rotation, center and head_weights must be zero or NULL. Its logit is <q, k> / key_dim. */

    /* R: entries of keys and queries are in [0, R], required, R^2 <= 64; others are clipped, keys
     * on the secret side. */
    double range;
    double value_range; /* R_w: entries of values are in [-R_w, R_w], required, > 0; others are clipped */
    /* eps_s in (0, 1), relative error of the polynomial: chooses the least degree within it when
     * degree is 0, and enters the default of copies; 0: 0.1. */
    double relative_error;
    double failure_probability; /* p_f in (0, 1): enters the default of copies, never the guarantee; 0: 0.01 */
    double copy_factor;         /* c in the default of copies; 0: 1 */
    uint64_t rows;     /* a public number of rows, the default of leaves: never one counted in private data */
    uint32_t leaves;   /* N, leaves of the fixed grid on which trees stand, 1..2^20; 0: rows */
    /* l, independent copies, whose median answers; 0: ceil(c r ln(key_dim R / (eps_s p_f))) with r
     * features. */
    uint32_t copies;
    int32_t trees;     /* enum dpattn_trees */
    int32_t reserved;  /* 0 */

    /* CODEBOOK alone reads what follows; with other mechanisms it must be zero. CODEBOOK in turn
     * reads key_bound, value_bound, scale, lambda, owner_bound and head_weights, and no
     * query_bound: queries may be of any length, and are scaled only where |scale * <q, k>| could
     * pass 65536. key_bound plays no role in the noise: it spans the integer grid of keys. */

    /* heads x cells x key_dim doubles, required: centroids of public rows of the same kind as the
     * private keys, by k-means for one. NEVER of the private rows: the guarantee would be void.
     * Centroids longer than key_bound are scaled to it. */
    const double *codebook;
    uint32_t cells;      /* centroids a head, 1..65536, required */
    uint32_t reserved_2; /* 0 */
} dpattn_params;

/* What a release may cost: (epsilon, delta)-differential privacy for the adjacency and unit of the
 * params. */
typedef struct dpattn_budget {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    double epsilon;    /* > 0, finite */
    double delta;      /* in (0, 1); choose it well below 1 / number of units */
} dpattn_budget;

/* Long work calls `callback(user, done, total)` now and then from the calling thread; a non-zero
 * return cancels, from the last call (done == total) too. It must not call functions of the same
 * builder, which is busy, nor leave by longjmp or an exception. `cancel`, if not NULL, is polled as
 * well and may be set from any thread or a signal handler; non-zero cancels. */
typedef struct dpattn_progress {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    int32_t (*callback)(void *user, uint64_t done, uint64_t total); /* may be NULL */
    void *user;
    const volatile int32_t *cancel; /* may be NULL */
} dpattn_progress;

/* What all releases of one data set, adaptively chosen, may cost together: epsilon and delta, or mu
 * alone. other_epsilon and other_delta are the part of epsilon and delta that is set aside for
 * mechanisms other than the Gaussian, which have no mu and add up plainly; what remains is the
 * Gaussian's alone. */
typedef struct dpattn_allowance {
    uint32_t struct_size;
    uint32_t reserved;    /* 0 */
    double epsilon;       /* > 0, finite; 0 when mu is given */
    double delta;         /* in (0, 1); 0 when mu is given */
    double mu;            /* > 0, finite: releases by the Gaussian mechanism only; 0 when epsilon and delta are given */
    double other_epsilon; /* 0: none */
    double other_delta;   /* 0: none */
} dpattn_allowance;

typedef uint64_t dpattn_builder; /* SECRET; 0 is never a valid handle */
typedef uint64_t dpattn_release; /* PUBLIC; 0 is never a valid handle */
typedef uint64_t dpattn_ledger;  /* 0 is never a valid handle */

#define DPATTN_ALL_HEADS (-1)

/* ---- Planning (PUBLIC) ----------------------------------------------------------------------- */

typedef struct dpattn_plan_result {
    uint32_t struct_size;
    /* The degree asked for. With params.degree == 0 that of 1..4 with the least total error
     * 2 value_bound e + noise_stddev (the smallest within 10 % of it), where e is polynomial_error,
     * but for TAYLOR max |p(x) - e^x| / e^b on [-b, b], as an arg-max depends on the heavy weights.
     * A builder whose params leave the degree open takes 2, whatever a plan says. */
    uint32_t degree;
    uint64_t features;             /* r = C(key_dim + degree, degree), a head */
    uint64_t state_bytes;          /* int64 state of the builder: heads * r * (value_dim + 1) * 8 */
    uint64_t release_bytes;        /* size of the saved release */
    double logit_bound;            /* b */
    double polynomial_error;       /* max |p(x)/e^x - 1| on [-b, b] */
    double mu;                     /* Gaussian DP parameter of the budget; DPTREE: 0 */
    double sigma_over_sensitivity; /* 1 / mu (with one head; of the largest-noise head otherwise); DPTREE: 0 */
    /* Predicted standard deviation of one output coordinate near 0, for |q| = query_bound and mean
     * attention weight 1 (denominator = rows); DPTREE: for a query of entries R, and all weights 1,
     * their least. */
    double noise_stddev;
    double noise_stddev_worst; /* the same with every weight at its least, e^-b; DPTREE: noise_stddev */
    uint64_t rows_for_error;   /* least number of rows with noise_stddev <= target_error; 0 if target_error == 0 */
} dpattn_plan_result;

/* ---- What a builder and a release say of themselves ------------------------------------------ */

/* SECRET counts over all heads: exact functions of the private data, not to be published. */
typedef struct dpattn_diagnostics {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t rows;           /* rows given, over all heads */
    uint64_t keys_clipped;   /* keys longer than key_bound; DPTREE: with an entry outside [0, range] */
    uint64_t values_clipped; /* values longer than value_bound; DPTREE: with an entry outside +-value_range */
    uint64_t rows_zeroed;    /* rows with NaN or Inf: they contribute nothing */
    /* Rows over the integer norm gate by rounding, made a little shorter; 0 with owners, whose rows
     * are summed at release. */
    uint64_t rows_shrunk;
    uint64_t rows_dropped;   /* rows beyond owner_rows of their owner */
    uint64_t owners;         /* distinct owners, over all heads (0 when the unit is a row) */
    uint64_t owners_clipped; /* of those, the ones whose rows add up to more than owner_bound: scaled to it */
} dpattn_diagnostics;

/* PUBLIC facts of a release. */
typedef struct dpattn_info {
    uint32_t struct_size;
    uint32_t heads;
    uint32_t key_dim;
    uint32_t value_dim;
    uint32_t degree;
    int32_t mechanism;
    int32_t polynomial;
    int32_t adjacency;
    uint32_t owner_rows;
    int32_t rotation;
    double key_bound, value_bound, query_bound, scale, lambda;
    double logit_bound;        /* b = scale * query_bound * key_bound */
    double polynomial_error;   /* max |p(x)/e^x - 1| on [-b, b] */
    double epsilon, delta;     /* the guarantee */
    double mu;                 /* Gaussian DP parameter actually spent, <= what the budget allows; DPTREE: 0 */
    uint64_t features;         /* r */
    uint64_t state_bytes;      /* size of dpattn_release_state's answer */
    uint64_t save_bytes;       /* size of dpattn_release_save's answer */
    uint8_t id[16];            /* random, public; names this release */
    double owner_bound;        /* as in the params */
    double range, value_range; /* DPTREE, else 0; as in the params, as are the next three */
    uint32_t leaves;
    uint32_t copies;
    int32_t trees;
    int32_t reserved;
    uint32_t cells;            /* CODEBOOK, else 0; as in the params */
    uint32_t reserved_2;
} dpattn_info;

/* ---- Range sums and distances (the paper's smaller structures) ------------------------------- */

/* Two structures of arXiv 2407.14717 on their own, each made from all its private rows at once and
 * PUBLIC from then on: immutable, safe from any number of threads, and every query is
 * post-processing.
 *
 *   dpattn_tree      DPTree: noisy sums over ranges of an ordered list, O(log leaves) noisy nodes
 *                    a range
 *   dpattn_distance  DPTreeDistance (dim 1) and DPTreeHighDim: noisy weighted l1 distances, and
 *                    squared l2 distances if asked for, from any point to private points
 *
 * Their rows are borrowed for the call that makes them and never kept; diagnostics, if wanted, are
 * SECRET. */
typedef uint64_t dpattn_tree;     /* PUBLIC; 0 is never a valid handle */
typedef uint64_t dpattn_distance; /* PUBLIC; 0 is never a valid handle */

/* All public, chosen without looking at the private data. Zeroed memory with struct_size set is a
 * good start. */
typedef struct dpattn_structure_params {
    uint32_t struct_size;
    int32_t adjacency;   /* enum dpattn_adjacency, required */
    uint32_t owner_rows; /* 0: the unit is one row; m in 1..1048576: one owner, of whom the first m rows count */
    uint32_t leaves;     /* N, required. tree: 1..2^28 places of the list; distance: 1..2^20 points of the grid */
    uint32_t dim;        /* distance: dimension of points, 1..65536; 0: 1. tree: 0 */
    int32_t squared;     /* distance: non-zero: squared l2 distances too, which costs budget. tree: 0 */
    double range;        /* distance: entries of points are in [0, range], required, > 0; others are clipped. tree: 0 */
    double weight;       /* weights (tree: values) are in [-weight, weight], required, > 0; others are clipped */
} dpattn_structure_params;

/* PUBLIC facts of a tree or distance. */
typedef struct dpattn_structure_info {
    uint32_t struct_size;
    int32_t adjacency;
    uint32_t owner_rows;
    uint32_t leaves;
    uint32_t dim;
    int32_t squared;
    double range, weight;
    double epsilon, delta;   /* the guarantee */
    double epsilon0, delta0; /* of one of the mechanisms that it is made of */
    uint64_t mechanisms;     /* how many those are */
    uint64_t state_bytes;    /* of the noisy integers */
    uint64_t save_bytes;     /* size of the saved file */
} dpattn_structure_info;

#ifndef DPATTN_NO_PROTOTYPES
/* What a release of `rows` rows with this budget would cost and how accurate it would be. Needs no
 * data.
 *   params        degree 0 lets the plan choose (1..4)
 *   rows          expected number of rows, >= 1 (a public guess)
 *   target_error  wanted noise_stddev (in units of a value), or 0
 *   result        struct_size set by the caller
 * Status: OK, INVALID_ARGUMENT, LIMIT, OUT_OF_MEMORY, UNSUPPORTED. */
DPATTN_API int32_t dpattn_plan(const dpattn_params *params, uint64_t rows, const dpattn_budget *budget,
                               double target_error, dpattn_plan_result *result, dpattn_error *err);

/* ---- Library --------------------------------------------------------------------------------- */

/* (major << 16) | (minor << 8) | patch of the library in memory. Not a status. */
DPATTN_API uint32_t dpattn_version(void);

/* "major.minor.patch"; static, do not free. Not a status. */
DPATTN_API const char *dpattn_version_string(void);

/* Static JSON object: version, go, os, arch, simd (kernels in use), kernels (those that this
 * processor can use), threads (when first asked). Do not free. Not a status; NULL in a forked
 * child. */
DPATTN_API const char *dpattn_build_info(void);

/* The name of a status, such as "INVALID_ARGUMENT"; static; "UNKNOWN" for other numbers. Not a
 * status. */
DPATTN_API const char *dpattn_status_string(int32_t status);

/* Threads for long work, process-wide; 0: as many as the Go runtime uses (GOMAXPROCS). Results do
 * not depend on it. Status: OK, INVALID_ARGUMENT (threads < 0 or > 4096). */
DPATTN_API int32_t dpattn_set_threads(int32_t threads, dpattn_error *err);

/* ---- Parameters ------------------------------------------------------------------------------ */

/* Zeroes *params and sets struct_size. `struct_size` is sizeof(dpattn_params) as the caller
 * compiled it. Status: OK, INVALID_ARGUMENT. */
DPATTN_API int32_t dpattn_params_init(dpattn_params *params, uint32_t struct_size, dpattn_error *err);

/* ---- Builder (SECRET) ------------------------------------------------------------------------ */

/* Checks params (copying center and head_weights) and makes an empty builder in *builder.
 * Memory: plan's state_bytes; refused before allocating if it would not fit.
 * Ownership: the caller frees with dpattn_builder_free.
 * Status: OK, INVALID_ARGUMENT, OUT_OF_MEMORY, UNSUPPORTED. */
DPATTN_API int32_t dpattn_builder_create(const dpattn_params *params, dpattn_builder *builder, dpattn_error *err);

/* Adds private rows. The result does not depend on order, chunking or threads.
 *   head      0..heads-1 with 2-D tensors, or DPATTN_ALL_HEADS with 3-D tensors (leading axis =
 *             heads; row j is the same unit in every head); with one head, DPATTN_ALL_HEADS takes
 *             2-D tensors too
 *   keys      [rows, key_dim] or [heads, rows, key_dim]
 *   values    [rows, value_dim] or [heads, rows, value_dim]
 *   owners    NULL, or with owner_rows >= 1: one id a row (required then, refused otherwise). Of an
 *             owner with more than owner_rows rows in a head, a fixed pseudo-random choice of
 *             owner_rows rows is kept, whatever the order
 *   progress  optional; when cancelled, no row of this call stays added (such a call sums aside: it
 *             takes the state's memory once more)
 * Data never cause an error: long rows are scaled to the bounds, rows with NaN or Inf count as zero
 * (see diagnostics).
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, CONSUMED, CANCELLED, LIMIT (more than 2^30 rows a
 * head), OUT_OF_MEMORY, UNSUPPORTED. */
DPATTN_API int32_t dpattn_builder_add(dpattn_builder builder, int32_t head, const dpattn_tensor *keys,
                                      const dpattn_tensor *values, const uint64_t *owners,
                                      const dpattn_progress *progress, dpattn_error *err);

/* Adds everything in `from` to `into`: the same sums as if all rows had gone into one builder. On
 * OK `from` is consumed and wiped (its handle is still to be freed); on any error neither builder
 * changes. Rows of a partial that `into` has already would count twice, and are refused: one file
 * imported twice, a builder and its own export, two exports of one builder, a whole and its part.
 * Rows that were added twice, or by a worker that runs twice and exports twice, are not noticed.
 * Status: OK, INVALID_ARGUMENT (both the same, or rows in common), INVALID_HANDLE, CONSUMED,
 * MISMATCH, LIMIT (2^30 rows a head, 2^20 partials). */
DPATTN_API int32_t dpattn_builder_merge(dpattn_builder into, dpattn_builder from, dpattn_error *err);

/* Writes the SECRET partial sums, without noise, for another trusted process (its file magic says
 * SECRET). Protect it like the data. The first export of a builder with rows names them by a random
 * origin, which goes wherever they go; without rows the partial is a template for many. *needed is
 * set on OK and on BUFFER_TOO_SMALL; data == NULL with capacity 0 asks for the size and gives
 * BUFFER_TOO_SMALL (so do the other functions with a capacity).
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, CONSUMED, BUFFER_TOO_SMALL, ENTROPY. */
DPATTN_API int32_t dpattn_builder_export_secret(dpattn_builder builder, void *data, size_t capacity, size_t *needed,
                                                dpattn_error *err);

/* Makes a builder from an exported secret partial, to be merged once, or continued.
 * Status: OK, INVALID_ARGUMENT, CORRUPT, UNSUPPORTED, LIMIT (more than 2^20 partials),
 * OUT_OF_MEMORY. */
DPATTN_API int32_t dpattn_builder_import_secret(const void *data, size_t size, dpattn_builder *builder,
                                                dpattn_error *err);

/* PUBLIC: the params with defaults filled in, and state_bytes; what only a release has is 0. So a
 * builder made from a partial says which rows it takes. A consumed builder answers, too.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_builder_info(dpattn_builder builder, dpattn_info *info, dpattn_error *err);

/* With owner_bound this sums the owners' rows, which takes as long as at release.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, CONSUMED. */
DPATTN_API int32_t dpattn_builder_diagnostics(dpattn_builder builder, dpattn_diagnostics *diagnostics,
                                              dpattn_error *err);

/* Spends the budget: adds exactly sampled noise from kernel randomness, makes a release in
 * *release, consumes the builder and wipes it. Budget and params are checked first; on any error
 * the builder stays as it was.
 * Ownership: the caller frees both handles.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, CONSUMED, CANCELLED, ENTROPY, LIMIT (epsilon too
 * small for the integer grid), OUT_OF_MEMORY, UNSUPPORTED. */
DPATTN_API int32_t dpattn_builder_release(dpattn_builder builder, const dpattn_budget *budget,
                                          const dpattn_progress *progress, dpattn_release *release, dpattn_error *err);

/* Wipes and frees. Status: OK, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_builder_free(dpattn_builder builder, dpattn_error *err);

/* ---- Release (PUBLIC) ------------------------------------------------------------------------ */

/* Answers queries; one call serves many queries of many heads.
 *   queries  [m, key_dim] when heads == 1, else [heads, m, key_dim] (3-D is accepted for one head
 *            too); any dtype
 *   out      [.., m, value_dim] like queries, any dtype
 *   lse      NULL, or [m, 1] or [heads, m, 1] like queries: natural log of the denominator, with
 *            scale*<q, center> added
 *   stddev   NULL, or shaped as out: predicted standard deviation of the noise in out; DPTREE: for
 *            one copy that of its noise, for more an upper bound of it
 *   clipped  NULL, or receives the number of queries that are not finite or longer than
 *            query_bound, which are scaled to it (DPTREE: with an entry outside [0, range], which
 *            is clipped)
 * A query with NaN or Inf gets NaN in out, lse and stddev.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_release_attend(dpattn_release release, const dpattn_tensor *queries, const dpattn_tensor *out,
                                         const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped,
                                         dpattn_error *err);

/* The same for one head, for callers that share out heads among threads of their own.
 *   head  0..heads-1 with 2-D tensors, or DPATTN_ALL_HEADS: exactly as dpattn_release_attend
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_release_attend_head(dpattn_release release, int32_t head, const dpattn_tensor *queries,
                                              const dpattn_tensor *out, const dpattn_tensor *lse,
                                              const dpattn_tensor *stddev, uint64_t *clipped, dpattn_error *err);

/* Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_release_info(dpattn_release release, dpattn_info *info, dpattn_error *err);

/* The certificate: a NUL-terminated UTF-8 JSON object with everything needed to recompute the
 * guarantee: mechanism, adjacency, unit, bounds, integer sensitivity, sigma, mu^2 as an exact
 * rational, epsilon(delta) tables (DPTREE: composition, distribution of every term). *needed counts
 * the NUL.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, BUFFER_TOO_SMALL. */
DPATTN_API int32_t dpattn_release_certificate(dpattn_release release, char *json, size_t capacity, size_t *needed,
                                              dpattn_error *err);

/* The noisy integers, row-major [heads][features][value_dim + 1] (public: for audits and other
 * engines); DPTREE: for each head the numbers of its terms, each row-major
 * [features][nodes][value_dim + 1][copies], or [value_dim + 1][copies] for scalar terms, in the
 * order of the certificate, which has all these sizes. capacity and *needed count elements.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, BUFFER_TOO_SMALL. */
DPATTN_API int32_t dpattn_release_state(dpattn_release release, int64_t *state, size_t capacity, size_t *needed,
                                        dpattn_error *err);

/* A CODEBOOK release as a key-value cache, which any attention kernel reads: keys [heads, cells,
 * key_dim], values [heads, cells, value_dim] and bias [heads, cells], each of any dtype; with one
 * head keys and values may be [cells, dim]. softmax(scale * Q keys^T + bias) values is what
 * dpattn_release_attend answers, scale being that of dpattn_info. bias is ln of the cell's noisy
 * mass in rows, which counts as one standard deviation of its noise where it is less; a value is
 * scaled to value_bound where noise made it longer.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, UNSUPPORTED (another mechanism: no such form). */
DPATTN_API int32_t dpattn_release_kv(dpattn_release release, const dpattn_tensor *keys, const dpattn_tensor *values,
                                     const dpattn_tensor *bias, dpattn_error *err);

/* Bytes of a release file (magic, version, checksum; docs/formats.md), the same on every machine.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, BUFFER_TOO_SMALL. */
DPATTN_API int32_t dpattn_release_save(dpattn_release release, void *data, size_t capacity, size_t *needed,
                                       dpattn_error *err);

/* Status: OK, INVALID_ARGUMENT, CORRUPT, UNSUPPORTED, OUT_OF_MEMORY. */
DPATTN_API int32_t dpattn_release_load(const void *data, size_t size, dpattn_release *release, dpattn_error *err);

/* A second handle to the same release in *copy; each is freed on its own.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_release_retain(dpattn_release release, dpattn_release *copy, dpattn_error *err);

/* Calls that still use the release finish safely. Status: OK, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_release_free(dpattn_release release, dpattn_error *err);

/* ---- Ledger ---------------------------------------------------------------------------------- */

/* A ledger is a file that keeps the account of one private data set: what all releases of it may
 * cost together, what each has cost, and the bytes of each. A release through it is on disk, cost
 * and bytes in one synced transaction, before its handle is given out; so whatever crashes, what
 * was spent is at least what was released. That all releases of the data set go through its ledger,
 * and those of no other, is the caller's part: a builder has no name for its data. So is keeping
 * the file: an older copy of it has forgotten what was spent since.
 *
 * Between calls no file is open and nothing is locked. A call waits up to ten seconds for another
 * process or thread that works on the file, then says BUSY. Files lie on a local file system, have
 * mode 0600, and belong with the data. Any thread may use a handle.
 *
 * `path` and `label` are NUL-terminated; a label is up to 255 bytes of printable UTF-8 and names a
 * release within the ledger. */

/* Makes a new file; one that is there already is never replaced (IO).
 * Ownership: the caller closes with dpattn_ledger_close.
 * Status: OK, INVALID_ARGUMENT, IO, UNSUPPORTED. */
DPATTN_API int32_t dpattn_ledger_create(const char *path, const dpattn_allowance *allowance, dpattn_ledger *ledger,
                                        dpattn_error *err);

/* Reads and checks a file that is there. Reading permission is enough for all but
 * dpattn_ledger_release.
 * Ownership: as above. Status: OK, INVALID_ARGUMENT, IO, BUSY, CORRUPT, UNSUPPORTED. */
DPATTN_API int32_t dpattn_ledger_open(const char *path, dpattn_ledger *ledger, dpattn_error *err);

/* dpattn_builder_release through the ledger. If it has a release under `label` (asked for with the
 * same params and budget, else MISMATCH), that one is given once more, the same bytes at no further
 * cost; data that have changed need a new label. Otherwise the release is made if it can be
 * afforded. NULL or "" stands for a label of its own, the release's id.
 * On OK the builder is consumed and wiped; on any error it stays as it was and nothing leaves. Only
 * after IO may the ledger have counted a release that was not given: asking again with the same
 * label then gives it.
 * The ledger takes adjacency and kind of unit (row or owner) from its first release; others are a
 * MISMATCH.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, CONSUMED, CANCELLED, ENTROPY, LIMIT (also: more
 * than 2^31 - 2 bytes), OUT_OF_MEMORY, UNSUPPORTED, OVERSPENT, MISMATCH (also: another ledger was
 * put in the file's place), BUSY, IO, CORRUPT. */
DPATTN_API int32_t dpattn_ledger_release(dpattn_ledger ledger, const char *label, dpattn_builder builder,
                                         const dpattn_budget *budget, const dpattn_progress *progress,
                                         dpattn_release *release, dpattn_error *err);

/* The release under `label`, once more. Ownership: the caller frees it.
 * Status: OK, INVALID_ARGUMENT (also: no such label), INVALID_HANDLE, OUT_OF_MEMORY, MISMATCH,
 * BUSY, IO, CORRUPT. */
DPATTN_API int32_t dpattn_ledger_load(dpattn_ledger ledger, const char *label, dpattn_release *release,
                                      dpattn_error *err);

/* The statement: a NUL-terminated UTF-8 JSON object (docs/formats.md) with the allowance, what is
 * spent and left, and every release with its cost. Public as far as its labels are. *needed counts
 * the NUL; it grows when others release.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, BUFFER_TOO_SMALL, MISMATCH, BUSY, IO, CORRUPT. */
DPATTN_API int32_t dpattn_ledger_show(dpattn_ledger ledger, char *json, size_t capacity, size_t *needed,
                                      dpattn_error *err);

/* Forgets the handle; the file stays. Status: OK, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_ledger_close(dpattn_ledger ledger, dpattn_error *err);

/* ---- Attention over disjoint key sets -------------------------------------------------------- */

/* Merges two partial attention results over disjoint key sets, as in flash attention:
 *   out = (e^la out_a + e^lb out_b) / (e^la + e^lb),  lse = ln(e^la + e^lb)
 * where la, lb are natural-log denominators. So a private context (a release) and a public one
 * (exact attention) combine.
 *   out_a, out_b, out  [.., m, value_dim], 2-D or 3-D; out may be out_a or out_b exactly (same data
 *                      and strides)
 *   lse_a, lse_b, lse  [.., m, 1]; lse may be NULL, or lse_a or lse_b exactly; -inf means an empty
 *                      set
 * Status: OK, INVALID_ARGUMENT. */
DPATTN_API int32_t dpattn_merge(const dpattn_tensor *out_a, const dpattn_tensor *lse_a, const dpattn_tensor *out_b,
                                const dpattn_tensor *lse_b, const dpattn_tensor *out, const dpattn_tensor *lse,
                                dpattn_error *err);

/* ---- Range sums and distances (PUBLIC) ------------------------------------------------------- */

/* Spends the budget on range sums of private values.
 *   values       `rows` values; a value that is NaN or Inf contributes nothing
 *   positions    NULL: value i belongs to leaf i; or the leaf of each value, 0..leaves-1, where
 *                values at other positions contribute nothing
 *   owners       NULL, or with owner_rows >= 1 one id a value
 *   diagnostics  NULL, or SECRET counts: rows, keys_clipped (positions outside), values_clipped,
 *                rows_zeroed, rows_dropped
 *   progress     optional
 * Neighbours have one value more or less, or one value changed with its position; the others keep
 * theirs: where values may be deleted from the middle of the list, give positions, since without
 * them all later values move up.
 * A ledger does not know trees and distances: what they spend adds up with the rest of a data set's
 * releases, by the caller.
 * Ownership: the caller frees *tree.
 * Status: OK, INVALID_ARGUMENT, CANCELLED, ENTROPY, LIMIT, OUT_OF_MEMORY, UNSUPPORTED. */
DPATTN_API int32_t dpattn_tree_create(const dpattn_structure_params *params, const double *values,
                                      const int64_t *positions, const uint64_t *owners, uint64_t rows,
                                      const dpattn_budget *budget, const dpattn_progress *progress,
                                      dpattn_diagnostics *diagnostics, dpattn_tree *tree, dpattn_error *err);

/* sums[i] is the noisy sum of the leaves first[i] .. last[i] - 1; 0 <= first <= last <= leaves.
 * stddev, if not NULL, gets the standard deviation of its noise, a function of public numbers.
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_tree_query(dpattn_tree tree, const int64_t *first, const int64_t *last, uint64_t ranges,
                                     double *sums, double *stddev, dpattn_error *err);

/* Status: OK, INVALID_ARGUMENT, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_tree_info(dpattn_tree tree, dpattn_structure_info *info, dpattn_error *err);

/* As dpattn_release_certificate. */
DPATTN_API int32_t dpattn_tree_certificate(dpattn_tree tree, char *json, size_t capacity, size_t *needed,
                                           dpattn_error *err);

/* As dpattn_release_save and dpattn_release_load; a tree's file is not a distance's. */
DPATTN_API int32_t dpattn_tree_save(dpattn_tree tree, void *data, size_t capacity, size_t *needed, dpattn_error *err);
DPATTN_API int32_t dpattn_tree_load(const void *data, size_t size, dpattn_tree *tree, dpattn_error *err);

/* Status: OK, INVALID_HANDLE. */
DPATTN_API int32_t dpattn_tree_free(dpattn_tree tree, dpattn_error *err);

/* Spends the budget on distances to private points.
 *   points   [rows, dim], any dtype; a row with NaN or Inf contributes nothing
 *   weights  NULL: every weight is params.weight; or [rows, 1], any dtype
 * The rest is as for dpattn_tree_create (keys_clipped: points with an entry outside [0, range]). */
DPATTN_API int32_t dpattn_distance_create(const dpattn_structure_params *params, const dpattn_tensor *points,
                                          const dpattn_tensor *weights, const uint64_t *owners,
                                          const dpattn_budget *budget, const dpattn_progress *progress,
                                          dpattn_diagnostics *diagnostics, dpattn_distance *distance,
                                          dpattn_error *err);

/* Noisy sums over the private points x with weights w, for each query y.
 *   queries  [m, dim], any dtype; entries outside [0, range] are clipped, NaN gives NaN
 *   l1       NULL, or [m, 1]: sum of w |x - y|_1
 *   l2       NULL, or [m, 1]: sum of w |x - y|^2. Without params.squared it is UNSUPPORTED
 * Status: OK, INVALID_ARGUMENT, INVALID_HANDLE, UNSUPPORTED. */
DPATTN_API int32_t dpattn_distance_query(dpattn_distance distance, const dpattn_tensor *queries,
                                         const dpattn_tensor *l1, const dpattn_tensor *l2, dpattn_error *err);

/* As those of a tree. */
DPATTN_API int32_t dpattn_distance_info(dpattn_distance distance, dpattn_structure_info *info, dpattn_error *err);
DPATTN_API int32_t dpattn_distance_certificate(dpattn_distance distance, char *json, size_t capacity, size_t *needed,
                                               dpattn_error *err);
DPATTN_API int32_t dpattn_distance_save(dpattn_distance distance, void *data, size_t capacity, size_t *needed,
                                        dpattn_error *err);
DPATTN_API int32_t dpattn_distance_load(const void *data, size_t size, dpattn_distance *distance, dpattn_error *err);
DPATTN_API int32_t dpattn_distance_free(dpattn_distance distance, dpattn_error *err);

/* ---- Plugin ---------------------------------------------------------------------------------- */

/* The one symbol that a host looks up when it loads the library with dlopen: fills the caller's
 * table of functions, below.
 *   abi_version  the layout that the host knows, DPATTN_PLUGIN_ABI; when it is UNSUPPORTED, a host
 *                may ask for an older one that it knows
 *   table        of that version: a dpattn_plugin_v1 for 1
 *   table_size   its size as the caller compiled it. A table of an older header is filled as far as
 *                it goes; of a newer one, the functions that this library lacks are NULL
 * Status: OK, INVALID_ARGUMENT (table NULL or too small for its two numbers), UNSUPPORTED (another
 * abi_version). */
DPATTN_API int32_t dpattn_plugin_init(uint32_t abi_version, void *table, size_t table_size, dpattn_error *err);
#endif /* DPATTN_NO_PROTOTYPES */

#define DPATTN_PLUGIN_ABI 1

typedef int32_t (*dpattn_plugin_init_function)(uint32_t abi_version, void *table, size_t table_size, dpattn_error *err);

/* Every function above by its name without the prefix. Append-only: a new function goes to the
 * end. */
typedef struct dpattn_plugin_v1 {
    uint32_t struct_size; /* out: how many bytes of the table the library filled */
    uint32_t abi_version; /* out: 1 */
    int32_t (*plan)(const dpattn_params *, uint64_t, const dpattn_budget *, double, dpattn_plan_result *,
                    dpattn_error *);
    uint32_t (*version)(void);
    const char *(*version_string)(void);
    const char *(*build_info)(void);
    const char *(*status_string)(int32_t);
    int32_t (*set_threads)(int32_t, dpattn_error *);
    int32_t (*params_init)(dpattn_params *, uint32_t, dpattn_error *);
    int32_t (*builder_create)(const dpattn_params *, dpattn_builder *, dpattn_error *);
    int32_t (*builder_add)(dpattn_builder, int32_t, const dpattn_tensor *, const dpattn_tensor *, const uint64_t *,
                           const dpattn_progress *, dpattn_error *);
    int32_t (*builder_merge)(dpattn_builder, dpattn_builder, dpattn_error *);
    int32_t (*builder_export_secret)(dpattn_builder, void *, size_t, size_t *, dpattn_error *);
    int32_t (*builder_import_secret)(const void *, size_t, dpattn_builder *, dpattn_error *);
    int32_t (*builder_diagnostics)(dpattn_builder, dpattn_diagnostics *, dpattn_error *);
    int32_t (*builder_release)(dpattn_builder, const dpattn_budget *, const dpattn_progress *, dpattn_release *,
                               dpattn_error *);
    int32_t (*builder_free)(dpattn_builder, dpattn_error *);
    int32_t (*release_attend)(dpattn_release, const dpattn_tensor *, const dpattn_tensor *, const dpattn_tensor *,
                              const dpattn_tensor *, uint64_t *, dpattn_error *);
    int32_t (*release_info)(dpattn_release, dpattn_info *, dpattn_error *);
    int32_t (*release_certificate)(dpattn_release, char *, size_t, size_t *, dpattn_error *);
    int32_t (*release_state)(dpattn_release, int64_t *, size_t, size_t *, dpattn_error *);
    int32_t (*release_save)(dpattn_release, void *, size_t, size_t *, dpattn_error *);
    int32_t (*release_load)(const void *, size_t, dpattn_release *, dpattn_error *);
    int32_t (*release_retain)(dpattn_release, dpattn_release *, dpattn_error *);
    int32_t (*release_free)(dpattn_release, dpattn_error *);
    int32_t (*merge)(const dpattn_tensor *, const dpattn_tensor *, const dpattn_tensor *, const dpattn_tensor *,
                     const dpattn_tensor *, const dpattn_tensor *, dpattn_error *);
    int32_t (*tree_create)(const dpattn_structure_params *, const double *, const int64_t *, const uint64_t *, uint64_t,
                           const dpattn_budget *, const dpattn_progress *, dpattn_diagnostics *, dpattn_tree *,
                           dpattn_error *);
    int32_t (*tree_query)(dpattn_tree, const int64_t *, const int64_t *, uint64_t, double *, double *, dpattn_error *);
    int32_t (*tree_info)(dpattn_tree, dpattn_structure_info *, dpattn_error *);
    int32_t (*tree_certificate)(dpattn_tree, char *, size_t, size_t *, dpattn_error *);
    int32_t (*tree_save)(dpattn_tree, void *, size_t, size_t *, dpattn_error *);
    int32_t (*tree_load)(const void *, size_t, dpattn_tree *, dpattn_error *);
    int32_t (*tree_free)(dpattn_tree, dpattn_error *);
    int32_t (*distance_create)(const dpattn_structure_params *, const dpattn_tensor *, const dpattn_tensor *,
                               const uint64_t *, const dpattn_budget *, const dpattn_progress *, dpattn_diagnostics *,
                               dpattn_distance *, dpattn_error *);
    int32_t (*distance_query)(dpattn_distance, const dpattn_tensor *, const dpattn_tensor *, const dpattn_tensor *,
                              dpattn_error *);
    int32_t (*distance_info)(dpattn_distance, dpattn_structure_info *, dpattn_error *);
    int32_t (*distance_certificate)(dpattn_distance, char *, size_t, size_t *, dpattn_error *);
    int32_t (*distance_save)(dpattn_distance, void *, size_t, size_t *, dpattn_error *);
    int32_t (*distance_load)(const void *, size_t, dpattn_distance *, dpattn_error *);
    int32_t (*distance_free)(dpattn_distance, dpattn_error *);
    int32_t (*release_attend_head)(dpattn_release, int32_t, const dpattn_tensor *, const dpattn_tensor *,
                                   const dpattn_tensor *, const dpattn_tensor *, uint64_t *, dpattn_error *);
    int32_t (*ledger_create)(const char *, const dpattn_allowance *, dpattn_ledger *, dpattn_error *);
    int32_t (*ledger_open)(const char *, dpattn_ledger *, dpattn_error *);
    int32_t (*ledger_release)(dpattn_ledger, const char *, dpattn_builder, const dpattn_budget *,
                              const dpattn_progress *, dpattn_release *, dpattn_error *);
    int32_t (*ledger_load)(dpattn_ledger, const char *, dpattn_release *, dpattn_error *);
    int32_t (*ledger_show)(dpattn_ledger, char *, size_t, size_t *, dpattn_error *);
    int32_t (*ledger_close)(dpattn_ledger, dpattn_error *);
    int32_t (*builder_info)(dpattn_builder, dpattn_info *, dpattn_error *);
    int32_t (*release_kv)(dpattn_release, const dpattn_tensor *, const dpattn_tensor *, const dpattn_tensor *,
                          dpattn_error *);
} dpattn_plugin_v1;

#ifdef __cplusplus
}
#endif

#endif /* DPATTN_H */
