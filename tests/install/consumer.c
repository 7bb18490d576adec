/* A program in C99 that links with the installed library: with hardly any noise its answers are
 * those of exact attention. */
#include <dpattn.h>

#include <math.h>
#include <stdio.h>

#if !defined(__STDC_VERSION__) || __STDC_VERSION__ != 199901L
#error "this is to be compiled as C99"
#endif

enum { ROWS = 400, DIM = 3 };

static double keys[ROWS][DIM], values[ROWS][1];

int main(void)
{
    double query[1][DIM] = { { 0.6, -0.48, 0.64 } }, answer[1][1], exact = 0, weights = 0;
    dpattn_tensor k = { keys, DPATTN_F64, 2, { ROWS, DIM, 0 }, { sizeof keys[0], sizeof(double), 0 } };
    dpattn_tensor v = { values, DPATTN_F64, 2, { ROWS, 1, 0 }, { sizeof(double), sizeof(double), 0 } };
    dpattn_tensor q = { query, DPATTN_F64, 2, { 1, DIM, 0 }, { sizeof query[0], sizeof(double), 0 } };
    dpattn_tensor out = { answer, DPATTN_F64, 2, { 1, 1, 0 }, { sizeof(double), sizeof(double), 0 } };
    dpattn_budget budget = { sizeof budget, 0, 1e6, 1e-6 };
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_builder builder = 0;
    dpattn_release release = 0;
    dpattn_params params;

    for (int j = 0; j < ROWS; j++) { /* points of the unit sphere, and a value that depends on where they are */
        double z = 2 * (j + 0.5) / ROWS - 1, turn = 2.399963 * j, weight;
        keys[j][0] = sqrt(1 - z * z) * cos(turn), keys[j][1] = sqrt(1 - z * z) * sin(turn), keys[j][2] = z;
        values[j][0] = keys[j][0] > 0 ? 0.5 + 0.5 * z : -0.5;
        weight = exp(query[0][0] * keys[j][0] + query[0][1] * keys[j][1] + query[0][2] * keys[j][2]);
        weights += weight, exact += weight * values[j][0];
    }
    exact /= weights;

    if (dpattn_params_init(&params, sizeof params, &err))
        return 1;
    params.key_dim = DIM, params.value_dim = 1, params.degree = 6, params.scale = 1,
    params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = params.query_bound = params.value_bound = 1;
    if (dpattn_builder_create(&params, &builder, &err) || dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err) ||
        dpattn_builder_release(builder, &budget, NULL, &release, &err) ||
        dpattn_release_attend(release, &q, &out, NULL, NULL, NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    dpattn_builder_free(builder, NULL);
    dpattn_release_free(release, NULL);
    printf("dpattn %s: %.5f, exact %.5f\n", dpattn_version_string(), answer[0][0], exact);
    return fabs(answer[0][0] - exact) > 2e-3;
}
