/* Release files and secret partials that were cut, altered or swapped: CORRUPT (or UNSUPPORTED, for
 * a version), never anything worse. */
#include "abi.h"

typedef int32_t (*loader)(const void *data, size_t size, uint64_t *handle);

static int32_t load_release(const void *data, size_t size, uint64_t *handle)
{
    return dpattn_release_load(data, size, handle, &err);
}

static int32_t load_partial(const void *data, size_t size, uint64_t *handle)
{
    return dpattn_builder_import_secret(data, size, handle, &err);
}

/* The message begins with the argument's name. */
static void refused(loader load, const void *data, size_t size)
{
    uint64_t handle;
    dirty(&handle, sizeof handle);
    err = fresh_error();
    int32_t status = load(data, size, &handle);
    CHECK(status == DPATTN_CORRUPT || status == DPATTN_UNSUPPORTED);
    CHECK(status == err.code && strstr(err.message, "data") != NULL);
    CHECK(untouched(&handle, sizeof handle));
}

static void check_file(loader load, bytes file)
{
    /* An exact copy at each length, so that a read past the end meets no valid byte (and a
     * sanitizer sees it). */
    for (size_t size = 0; size < file.size; size++) {
        unsigned char *cut = malloc(size + !size);
        memcpy(cut, file.data, size);
        refused(load, cut, size);
        free(cut);
    }
    unsigned char *altered = malloc(file.size + 1);
    memcpy(altered, file.data, file.size);
    for (size_t at = 0; at < file.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            altered[at] ^= (unsigned char)(1 << bit);
            refused(load, altered, file.size);
            altered[at] = file.data[at];
        }
        altered[at] = (unsigned char)~file.data[at];
        refused(load, altered, file.size);
        altered[at] = file.data[at];
    }
    altered[file.size] = 0;
    refused(load, altered, file.size + 1);
    memset(altered, 0, file.size);
    refused(load, altered, file.size);
    memset(altered, 0xFF, file.size);
    refused(load, altered, file.size);
    free(altered);
}

TEST(corrupt_files)
{
    dpattn_params params = typical_params();
    params.key_dim = 2;
    params.value_dim = 1;
    params.degree = 1;
    double center[2] = { 0.25, -0.25 };
    params.center = center;
    dpattn_builder builder = builder_with_rows(&params, 5);
    dpattn_release release = release_of(&params, 5, typical_budget());
    bytes file = save_of(release), partial = export_of(builder);
    check_file(load_release, file);
    check_file(load_partial, partial);

    /* Each is not the other: a secret partial never loads as a public release. */
    refused(load_release, partial.data, partial.size);
    refused(load_partial, file.data, file.size);

    params.owner_rows = 2;
    dpattn_builder owned = builder_with_rows(&params, 5);
    bytes owned_partial = export_of(owned);
    check_file(load_partial, owned_partial);

    free(file.data);
    free(partial.data);
    free(owned_partial.data);
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_builder_free(owned, &err));
    OK(dpattn_release_free(release, &err));
}

/* A partial's first bytes say SECRET, readably. */
TEST(file_magic)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 5);
    bytes partial = export_of(builder);
    int secret = 0;
    for (size_t i = 0; i + 6 <= 32 && i + 6 <= partial.size; i++)
        secret |= memcmp(partial.data + i, "SECRET", 6) == 0;
    CHECK(secret);
    free(partial.data);
    OK(dpattn_builder_free(builder, &err));
}
