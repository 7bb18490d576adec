#include "internal.h"

#include <string.h>

void capi_set_error(dpattn_error *err, int32_t status, const char *text, size_t length)
{
    if (err == NULL || err->size < offsetof(dpattn_error, message))
        return;
    err->code = status;

    size_t size = err->size < sizeof *err ? err->size : sizeof *err;
    size_t room = size - offsetof(dpattn_error, message);
    if (room == 0)
        return;
    if (length >= room) {
        length = room - 1;
        /* Bytes 10xxxxxx continue a character: do not leave half of one. */
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(err->message, text, length);
    err->message[length] = '\0';
}
