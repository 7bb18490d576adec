/* A host that has the header and nothing to link: it loads the library at run time, agrees on a
 * table of functions, makes a private memory of 5,000 people and asks it twice. Build and run,
 * after `make build`:
 *     cc -std=c99 -Iinclude bindings/plugin/host.c -ldl -o build/host
 *     build/host build/libdpattn.so
 * (On Windows LoadLibrary and GetProcAddress stand for dlopen and dlsym.) */
#define _XOPEN_SOURCE 700
#define DPATTN_NO_PROTOTYPES
#include <dpattn.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { PEOPLE = 5000, ASKED = 2 };

static float keys[PEOPLE][2], values[PEOPLE][1]; /* private */

/* Loads the library and fills the table; says why not on stderr. */
static int load(const char *path, dpattn_plugin_v1 *dpattn)
{
    static const uint32_t known[] = { 1 }; /* the versions that this host has code for, newest first */
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_plugin_init_function init;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* it stays loaded: dlclose is harmless, and does nothing */
    void *symbol = library == NULL ? NULL : dlsym(library, "dpattn_plugin_init");
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    memcpy(&init, &symbol, sizeof init); /* ISO C has no cast from void * to a function */

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int32_t status = init(known[i], dpattn, sizeof *dpattn, &err);
        if (status == DPATTN_OK)
            /* A function that an older library lacks is NULL: a host looks before it calls one that
             * came later. */
            return 1;
        if (status != DPATTN_UNSUPPORTED)
            break;
    }
    fprintf(stderr, "%s: %s\n", path, err.message);
    return 0;
}

static dpattn_tensor matrix(float *data, int64_t rows, int64_t columns)
{
    dpattn_tensor tensor = {
        data, DPATTN_F32, 2, { rows, columns, 0 }, { columns * (int64_t)sizeof(float), sizeof(float), 0 }
    };
    return tensor;
}

int main(int argc, char **argv)
{
    float queries[ASKED][2] = { { 1, 0 }, { 0, 1 } }, answers[ASKED][1], noise[ASKED][1]; /* east, north */
    dpattn_tensor k = matrix(keys[0], PEOPLE, 2), v = matrix(values[0], PEOPLE, 1), q = matrix(queries[0], ASKED, 2);
    dpattn_tensor out = matrix(answers[0], ASKED, 1), stddev = matrix(noise[0], ASKED, 1);
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 }; /* epsilon and delta: spent once */
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_builder builder = 0; /* secret */
    dpattn_release release = 0; /* public */
    dpattn_params params;       /* public, chosen without looking at the data */
    dpattn_plugin_v1 dpattn;

    if (argc != 2) {
        fprintf(stderr, "usage: host LIBRARY\n");
        return 2;
    }
    if (!load(argv[1], &dpattn))
        return 1;

    for (int i = 0; i < PEOPLE; i++) { /* half of the people are in the east and say 1, half in the north and say -1 */
        keys[i][i % 2] = 1;
        values[i][0] = i % 2 ? -1.0F : 1.0F;
    }
    dpattn.params_init(&params, sizeof params, NULL);
    params.key_dim = 2, params.value_dim = 1, params.degree = 4, params.scale = 2, params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = params.query_bound = params.value_bound = 1;
    if (dpattn.builder_create(&params, &builder, &err) || dpattn.builder_add(builder, 0, &k, &v, NULL, NULL, &err) ||
        dpattn.builder_release(builder, &budget, NULL, &release, &err) ||
        dpattn.release_attend(release, &q, &out, NULL, &stddev, NULL, &err))
        fprintf(stderr, "%s: %s\n", dpattn.status_string(err.code), err.message);
    else
        printf("dpattn %s, %u bytes of functions: east %+.3f (noise %.3f), north %+.3f (noise %.3f)\n",
               dpattn.version_string(), (unsigned)dpattn.struct_size, answers[0][0], noise[0][0], answers[1][0],
               noise[1][0]);
    dpattn.builder_free(builder, NULL);
    dpattn.release_free(release, NULL);
    return err.code != DPATTN_OK;
}
