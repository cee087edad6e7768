// Shared by the files of broker/admin; for nobody else.
#pragma once

#include "broker/admin/admin.h"

#include <microhttpd.h>
#include <sys/un.h>

struct admin {
    struct admin_options options;
    struct MHD_Daemon *http;
    char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; // removed at the end; "": none
};

enum MHD_Result admin_answer(
    struct MHD_Connection *connection, unsigned status, const char *type, struct bytes body);
enum MHD_Result admin_answer_text(struct MHD_Connection *connection, unsigned status, const char *text);

// command.c: called again and again while a request arrives; `*state` is its own.
enum MHD_Result admin_command(struct admin *admin, struct MHD_Connection *connection, const char *url,
    const char *method, const char *upload, size_t *upload_size, void **state);
void admin_command_end(void **state);
