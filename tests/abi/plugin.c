/* The table of functions: versions, older and newer sizes, refusals. */
#include "abi.h"

TEST(plugin_versions)
{
    dpattn_plugin_v1 table;
    dirty(&table, sizeof table);
    OK(dpattn_plugin_init(1, &table, sizeof table, &err));
    CHECK(table.struct_size == sizeof table && table.abi_version == 1);
    CHECK(table.plan == dpattn_plan && table.release_attend == dpattn_release_attend && table.merge == dpattn_merge);

    dirty(&table, sizeof table);
    FAILS(DPATTN_UNSUPPORTED, "abi_version is 2", dpattn_plugin_init(2, &table, sizeof table, &err));
    FAILS(DPATTN_UNSUPPORTED, "abi_version is 0", dpattn_plugin_init(0, &table, sizeof table, &err));
    CHECK(untouched(&table, sizeof table));
}

/* A host compiled with an older or a newer header: its table is shorter or longer. */
TEST(plugin_tables)
{
    unsigned char want[sizeof(dpattn_plugin_v1)];
    OK(dpattn_plugin_init(1, want, sizeof want, &err));
    for (size_t size = offsetof(dpattn_plugin_v1, plan); size < sizeof want + 3 * sizeof(void *); size++) {
        union {
            dpattn_plugin_v1 table;
            unsigned char bytes[sizeof(dpattn_plugin_v1) + 4 * sizeof(void *)];
        } got;
        dirty(&got, sizeof got);
        OK(dpattn_plugin_init(1, &got, size, &err));
        size_t filled = size < sizeof want ? size / sizeof(void *) * sizeof(void *) : sizeof want;
        CHECK(got.table.struct_size == filled);
        CHECK(memcmp(got.bytes + sizeof got.table.struct_size, want + sizeof got.table.struct_size,
                     filled - sizeof got.table.struct_size) == 0);
        for (size_t i = filled; i < size; i++)
            CHECK(got.bytes[i] == 0);
        CHECK(untouched(got.bytes + size, sizeof got - size));
    }
}

TEST(plugin_refuses)
{
    dpattn_plugin_v1 table;
    dirty(&table, sizeof table);
    FAILS(DPATTN_INVALID_ARGUMENT, "table is NULL", dpattn_plugin_init(1, NULL, sizeof table, &err));
    for (size_t size = 0; size < offsetof(dpattn_plugin_v1, plan); size++)
        FAILS(DPATTN_INVALID_ARGUMENT, "table_size is", dpattn_plugin_init(1, &table, size, &err));
    CHECK(untouched(&table, sizeof table));
    CHECK(dpattn_plugin_init(1, NULL, 0, NULL) == DPATTN_INVALID_ARGUMENT);
}
