/* The mechanism `sums` from C: build, release, file, answers, certificate. */
#include <dpattn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int32_t status, const dpattn_error *err)
{
    if (status != DPATTN_OK) {
        fprintf(stderr, "%s: %s\n", dpattn_status_string(status), err->message);
        exit(1);
    }
}

enum { ROWS = 1000, DIM = 2 };

int main(void)
{
    static double keys[ROWS][DIM], values[ROWS][DIM];
    for (int i = 0; i < ROWS; i++) {
        values[i][0] = 0.25;
        values[i][1] = -0.5;
    }
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_params params;
    must(dpattn_params_init(&params, sizeof params, &err), &err);
    params.mechanism = DPATTN_SUMS;
    params.key_dim = params.value_dim = DIM;
    params.adjacency = DPATTN_REPLACE;
    params.value_bound = 1;
    params.range = 1; /* another mechanism's */
    dpattn_builder builder;
    int32_t status = dpattn_builder_create(&params, &builder, &err);
    if (status != DPATTN_INVALID_ARGUMENT || !strstr(err.message, "params.range")) {
        fprintf(stderr, "a parameter of another mechanism was not refused: %s\n", err.message);
        return 1;
    }
    params.range = 0;
    must(dpattn_builder_create(&params, &builder, &err), &err);
    dpattn_tensor k = { keys, DPATTN_F64, 2, { ROWS, DIM }, { sizeof keys[0], sizeof keys[0][0] } };
    dpattn_tensor v = { values, DPATTN_F64, 2, { ROWS, DIM }, { sizeof values[0], sizeof values[0][0] } };
    must(dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err), &err);
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 };
    dpattn_release release, loaded;
    must(dpattn_builder_release(builder, &budget, NULL, &release, &err), &err);

    static char file[1 << 16], certificate[1 << 16];
    size_t size;
    must(dpattn_release_save(release, file, sizeof file, &size, &err), &err);
    must(dpattn_release_load(file, size, &loaded, &err), &err);
    must(dpattn_release_certificate(loaded, certificate, sizeof certificate, &size, &err), &err);

    double query[1][DIM] = { { 1, 2 } }, out[1][DIM], lse[1][1];
    dpattn_tensor q = { query, DPATTN_F64, 2, { 1, DIM }, { sizeof query[0], sizeof query[0][0] } };
    dpattn_tensor o = { out, DPATTN_F64, 2, { 1, DIM }, { sizeof out[0], sizeof out[0][0] } };
    dpattn_tensor l = { lse, DPATTN_F64, 2, { 1, 1 }, { sizeof lse[0], sizeof lse[0][0] } };
    must(dpattn_release_attend(loaded, &q, &o, &l, NULL, NULL, &err), &err);
    printf("mean %.4f %.4f, %.1f rows\n", out[0][0], out[0][1], exp(lse[0][0]));
    /* The noise of a sum is below 10 in units of a value: six times that is 0.06 of a mean. */
    if (!(fabs(out[0][0] - 0.25) < 0.06 && fabs(out[0][1] + 0.5) < 0.06 && fabs(exp(lse[0][0]) - ROWS) < 60))
        return 1;
    return strstr(certificate, "\"mechanism\": \"sums\"") ? 0 : 1;
}
