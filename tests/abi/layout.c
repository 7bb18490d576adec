/* Sizes and offsets on 64-bit machines, as other languages' bindings have them. Fields are only
 * ever appended: a size may grow with a new version, nothing else here may change. */
#include "abi.h"

#define SIZE(type, bytes) CHECK(sizeof(type) == (bytes))
#define AT(type, field, bytes) CHECK(offsetof(type, field) == (bytes))

TEST(layout)
{
    if (sizeof(void *) != 8)
        return;
    SIZE(dpattn_error, 512);
    AT(dpattn_error, code, 4);
    AT(dpattn_error, message, 8);

    SIZE(dpattn_tensor, 64);
    AT(dpattn_tensor, dtype, 8);
    AT(dpattn_tensor, ndim, 12);
    AT(dpattn_tensor, shape, 16);
    AT(dpattn_tensor, strides, 40);

    SIZE(dpattn_params, 184);
    AT(dpattn_params, heads, 4);
    AT(dpattn_params, key_dim, 8);
    AT(dpattn_params, value_dim, 12);
    AT(dpattn_params, degree, 16);
    AT(dpattn_params, mechanism, 20);
    AT(dpattn_params, polynomial, 24);
    AT(dpattn_params, adjacency, 28);
    AT(dpattn_params, owner_rows, 32);
    AT(dpattn_params, rotation, 36);
    AT(dpattn_params, key_bound, 40);
    AT(dpattn_params, value_bound, 48);
    AT(dpattn_params, query_bound, 56);
    AT(dpattn_params, scale, 64);
    AT(dpattn_params, lambda, 72);
    AT(dpattn_params, center, 80);
    AT(dpattn_params, head_weights, 88);
    AT(dpattn_params, owner_bound, 96);
    AT(dpattn_params, range, 104);
    AT(dpattn_params, value_range, 112);
    AT(dpattn_params, relative_error, 120);
    AT(dpattn_params, failure_probability, 128);
    AT(dpattn_params, copy_factor, 136);
    AT(dpattn_params, rows, 144);
    AT(dpattn_params, leaves, 152);
    AT(dpattn_params, copies, 156);
    AT(dpattn_params, trees, 160);
    AT(dpattn_params, reserved, 164);
    AT(dpattn_params, codebook, 168);
    AT(dpattn_params, cells, 176);
    AT(dpattn_params, reserved_2, 180);

    SIZE(dpattn_budget, 24);
    AT(dpattn_budget, epsilon, 8);
    AT(dpattn_budget, delta, 16);

    SIZE(dpattn_allowance, 48);
    AT(dpattn_allowance, epsilon, 8);
    AT(dpattn_allowance, delta, 16);
    AT(dpattn_allowance, mu, 24);
    AT(dpattn_allowance, other_epsilon, 32);
    AT(dpattn_allowance, other_delta, 40);

    SIZE(dpattn_progress, 32);
    AT(dpattn_progress, callback, 8);
    AT(dpattn_progress, user, 16);
    AT(dpattn_progress, cancel, 24);

    SIZE(dpattn_plan_result, 88);
    AT(dpattn_plan_result, degree, 4);
    AT(dpattn_plan_result, features, 8);
    AT(dpattn_plan_result, state_bytes, 16);
    AT(dpattn_plan_result, release_bytes, 24);
    AT(dpattn_plan_result, logit_bound, 32);
    AT(dpattn_plan_result, polynomial_error, 40);
    AT(dpattn_plan_result, mu, 48);
    AT(dpattn_plan_result, sigma_over_sensitivity, 56);
    AT(dpattn_plan_result, noise_stddev, 64);
    AT(dpattn_plan_result, noise_stddev_worst, 72);
    AT(dpattn_plan_result, rows_for_error, 80);

    SIZE(dpattn_diagnostics, 72);
    AT(dpattn_diagnostics, rows, 8);
    AT(dpattn_diagnostics, keys_clipped, 16);
    AT(dpattn_diagnostics, values_clipped, 24);
    AT(dpattn_diagnostics, rows_zeroed, 32);
    AT(dpattn_diagnostics, rows_shrunk, 40);
    AT(dpattn_diagnostics, rows_dropped, 48);
    AT(dpattn_diagnostics, owners, 56);
    AT(dpattn_diagnostics, owners_clipped, 64);

    SIZE(dpattn_info, 208);
    AT(dpattn_info, heads, 4);
    AT(dpattn_info, rotation, 36);
    AT(dpattn_info, key_bound, 40);
    AT(dpattn_info, lambda, 72);
    AT(dpattn_info, logit_bound, 80);
    AT(dpattn_info, polynomial_error, 88);
    AT(dpattn_info, epsilon, 96);
    AT(dpattn_info, delta, 104);
    AT(dpattn_info, mu, 112);
    AT(dpattn_info, features, 120);
    AT(dpattn_info, state_bytes, 128);
    AT(dpattn_info, save_bytes, 136);
    AT(dpattn_info, id, 144);
    AT(dpattn_info, owner_bound, 160);
    AT(dpattn_info, range, 168);
    AT(dpattn_info, value_range, 176);
    AT(dpattn_info, leaves, 184);
    AT(dpattn_info, copies, 188);
    AT(dpattn_info, trees, 192);
    AT(dpattn_info, reserved, 196);
    AT(dpattn_info, cells, 200);

    SIZE(dpattn_structure_params, 40);
    AT(dpattn_structure_params, adjacency, 4);
    AT(dpattn_structure_params, owner_rows, 8);
    AT(dpattn_structure_params, leaves, 12);
    AT(dpattn_structure_params, dim, 16);
    AT(dpattn_structure_params, squared, 20);
    AT(dpattn_structure_params, range, 24);
    AT(dpattn_structure_params, weight, 32);

    SIZE(dpattn_structure_info, 96);
    AT(dpattn_structure_info, range, 24);
    AT(dpattn_structure_info, weight, 32);
    AT(dpattn_structure_info, epsilon, 40);
    AT(dpattn_structure_info, epsilon0, 56);
    AT(dpattn_structure_info, mechanisms, 72);
    AT(dpattn_structure_info, state_bytes, 80);
    AT(dpattn_structure_info, save_bytes, 88);
}
