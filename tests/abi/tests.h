/* Every test, in the order of its file. */
/* library.c */
RUN(version)
RUN(build_info)
RUN(status_string)
RUN(set_threads)
/* plugin.c */
RUN(plugin_versions)
RUN(plugin_tables)
RUN(plugin_refuses)
/* layout.c */
RUN(layout)
/* errors.c */
RUN(error_sizes)
RUN(error_is_cleared_by_success)
RUN(error_is_cut_between_characters)
/* structs.c */
RUN(params_init)
RUN(params_sizes)
RUN(budget_sizes)
RUN(progress_sizes)
RUN(output_structs)
/* params.c */
RUN(params_integers)
RUN(params_reals)
RUN(params_arrays)
RUN(params_are_copied)
RUN(params_too_large)
RUN(budgets)
RUN(plan)
/* arguments.c */
RUN(null_create)
RUN(null_plan)
RUN(null_add)
RUN(null_release)
RUN(null_import_and_load)
RUN(null_attend)
RUN(null_merge)
RUN(null_error)
/* handles.c */
RUN(handles)
RUN(retain)
/* buffers.c */
RUN(buffers)
/* whole.c */
RUN(attention_is_approximated)
RUN(noise_is_there)
RUN(save_and_load)
RUN(info_and_state)
RUN(certificate)
RUN(queries_out_of_bounds)
RUN(nothing)
/* dptree.c */
RUN(dptree_whole)
RUN(dptree_params)
/* structures.c */
RUN(tree)
RUN(tree_positions_and_owners)
RUN(distance)
RUN(structures_refuse)
/* tensors.c */
RUN(input_layouts)
RUN(broadcast_input)
RUN(output_layouts)
RUN(one_head_either_way)
RUN(head_by_head)
RUN(malformed_rows)
RUN(too_many_rows)
RUN(malformed_queries)
/* secrets.c */
RUN(rounding_mode)
RUN(shards)
RUN(shards_of_owners)
RUN(merge_refuses)
RUN(consumed)
RUN(hostile_rows)
RUN(owners)
RUN(owner_bound)
/* ledger.c */
RUN(ledger_spends_once)
RUN(ledger_refuses)
RUN(ledger_and_fork)
/* corrupt.c */
RUN(corrupt_files)
RUN(file_magic)
/* progress.c */
RUN(cancel_add)
RUN(cancel_add_of_owners)
RUN(cancel_release)
RUN(callback_calls_the_library)
/* attention.c */
RUN(merge_attention)
RUN(merge_attention_extremes)
RUN(merge_private_with_public)
RUN(merge_attention_refuses)
/* panics.c; under sanitizers the bad address is found before Go is */
#ifndef WITH_SANITIZERS
RUN(panic_in_attend)
RUN(panic_in_add)
#endif
/* threads.c */
RUN(short_lived_threads)
RUN(free_amid_calls)
RUN(threads_share_a_builder)
RUN(merge_both_ways)
RUN(thread_counts)
/* forks.c */
RUN(forked_child)
RUN(forked_child_amid_a_call)
