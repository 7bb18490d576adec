/* The caller-owned error struct: any size, no byte beyond it, no half character. */
#include "abi.h"

#include "../../capi/internal.h"

/* The complete message for threads = -1. */
static dpattn_error whole_message(void)
{
    dpattn_error whole = DPATTN_ERROR_INIT;
    CHECK(dpattn_set_threads(-1, &whole) == DPATTN_INVALID_ARGUMENT);
    return whole;
}

TEST(error_sizes)
{
    const dpattn_error whole = whole_message();
    const size_t length = strlen(whole.message);
    const size_t head = offsetof(dpattn_error, message);
    for (size_t size = 0; size <= sizeof(dpattn_error) + 64; size++) {
        unsigned char memory[sizeof(dpattn_error) + 128];
        dirty(memory, sizeof memory);
        uint32_t stated = (uint32_t)size;
        memcpy(memory, &stated, sizeof stated);
        CHECK(dpattn_set_threads(-1, (dpattn_error *)(void *)memory) == DPATTN_INVALID_ARGUMENT);

        size_t reach = size < sizeof(dpattn_error) ? size : sizeof(dpattn_error);
        if (reach < head) {
            CHECK(untouched(memory + 4, sizeof memory - 4));
            continue;
        }
        CHECK(memcmp(memory + 4, &whole.code, 4) == 0);
        CHECK(untouched(memory + reach, sizeof memory - reach));
        if (reach > head) {
            size_t kept = length < reach - head - 1 ? length : reach - head - 1;
            CHECK(memcmp(memory + head, whole.message, kept) == 0);
            CHECK(memory[head + kept] == 0);
        }
    }
}

TEST(error_is_cleared_by_success)
{
    dpattn_error error = whole_message();
    CHECK(dpattn_set_threads(0, &error) == DPATTN_OK);
    CHECK(error.code == DPATTN_OK && error.message[0] == 0);
}

/* Messages are cut between characters. No message has more than ASCII today, so this calls
 * capi_set_error itself. */
TEST(error_is_cut_between_characters)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* of 1, 2, 3, 4 and 1 bytes */
    static const size_t kept[] = { 0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 }; /* by room, NUL included */
    for (size_t room = 1; room < sizeof kept / sizeof *kept; room++) {
        dpattn_error error;
        dirty(&error, sizeof error);
        error.size = (uint32_t)(offsetof(dpattn_error, message) + room);
        capi_set_error(&error, DPATTN_LIMIT, text, sizeof text - 1);
        CHECK(strlen(error.message) == kept[room]);
        CHECK(memcmp(error.message, text, kept[room]) == 0);
        CHECK(untouched(error.message + room, sizeof error.message - room));
    }
}
