// Files, packages and services.
#include "core/schema/compat_internal.h"

static bool has_package(const struct model *model, const char *package) {
    for (size_t i = 0; i < model_file_count(model); i++)
        if (strcmp(model_file_at(model, i)->package, package) == 0)
            return true;
    return false;
}

static const struct model_file *file_now(const struct compat *compat, const struct model_file *was) {
    return model_file(compat->after, was->name);
}

static bool package_changed(const struct compat *compat, const struct model_file *was) {
    const struct model_file *now = file_now(compat, was);
    return now && strcmp(was->package, now->package) != 0;
}

bool compat_gone_with_package(const struct compat *compat, const struct model_file *was) {
    return package_changed(compat, was) || !has_package(compat->after, was->package);
}

// The first file of the package that is gone says so.
static void check_package(struct compat *compat, size_t index, const struct model_file *was) {
    if (has_package(compat->after, was->package))
        return;
    for (size_t i = 0; i < index; i++)
        if (strcmp(model_file_at(compat->before, i)->package, was->package) == 0)
            return;
    compat_add(compat, PACKAGE_REMOVED, (struct compat_where){0}, compat_where(was, was->package_place),
        "package %s is gone with all its types", was->package);
}

static const struct model_option *option(const struct model_file *file, const char *name) {
    for (size_t i = 0; i < file->option_count; i++)
        if (strcmp(file->options[i].name, name) == 0)
            return &file->options[i];
    return NULL;
}

static struct compat_where option_at(const struct model_file *file, const struct model_option *option) {
    return compat_where(file, option ? option->place : (struct model_place){1, 1});
}

static void check_option(
    struct compat *compat, const struct model_file *was, const struct model_file *now, const char *name) {
    const struct model_option *before = option(was, name), *after = option(now, name);
    if (before && after && strcmp(before->value, after->value) == 0)
        return;
    compat_add(compat, FILE_OPTION_CHANGED, option_at(now, after), option_at(was, before),
        "option %s was %s, now %s", name, before ? before->value : "not set",
        after ? after->value : "not set");
}

static void check_options(struct compat *compat, const struct model_file *was, const struct model_file *now) {
    for (size_t i = 0; i < was->option_count; i++)
        check_option(compat, was, now, was->options[i].name);
    for (size_t i = 0; i < now->option_count; i++)
        if (!option(was, now->options[i].name))
            check_option(compat, was, now, now->options[i].name);
}

static void check_file(struct compat *compat, const struct model_file *was, const struct model_file *now) {
    if (package_changed(compat, was))
        compat_add(compat, FILE_PACKAGE_CHANGED, compat_where(now, now->package_place),
            compat_where(was, was->package_place), "%s was in package %s, now in %s", was->name,
            was->package[0] ? was->package : "(none)", now->package[0] ? now->package : "(none)");
    if (was->proto3 != now->proto3)
        compat_add(compat, FILE_SYNTAX_CHANGED, compat_where(now, now->syntax_place),
            compat_where(was, was->syntax_place), "%s was %s, now %s", was->name,
            was->proto3 ? "proto3" : "proto2", now->proto3 ? "proto3" : "proto2");
    check_options(compat, was, now);
}

void compat_files(struct compat *compat) {
    for (size_t i = 0; i < model_file_count(compat->before); i++) {
        const struct model_file *was = model_file_at(compat->before, i);
        const struct model_file *now = file_now(compat, was);
        if (strcmp(was->package, "google.protobuf") == 0)
            continue;
        if (now) {
            check_file(compat, was, now);
            continue;
        }
        check_package(compat, i, was);
        if (has_package(compat->after, was->package))
            compat_add(compat, FILE_REMOVED, (struct compat_where){0},
                compat_where(was, (struct model_place){1, 1}), "file %s is gone", was->name);
    }
}

// ---- Services ----

static const struct model_method *method_named(const struct model_service *service, const char *name) {
    for (size_t i = 0; i < service->method_count; i++)
        if (strcmp(service->methods[i].name, name) == 0)
            return &service->methods[i];
    return NULL;
}

static void check_method(struct compat *compat, const struct model_service *was_in,
    const struct model_method *was, const struct model_service *now_in, const struct model_method *now) {
    struct compat_where now_at = compat_where(now_in->file, now->note.place);
    struct compat_where was_at = compat_where(was_in->file, was->note.place);
    const char *service = was_in->full_name;
    if (strcmp(was->request, now->request) != 0)
        compat_add(compat, METHOD_REQUEST_CHANGED, compat_where(now_in->file, now->request_place),
            compat_where(was_in->file, was->request_place), "method %s of %s took %s, now %s", was->name,
            service, was->request, now->request);
    if (strcmp(was->response, now->response) != 0)
        compat_add(compat, METHOD_RESPONSE_CHANGED, compat_where(now_in->file, now->response_place),
            compat_where(was_in->file, was->response_place), "method %s of %s gave %s, now %s", was->name,
            service, was->response, now->response);
    if (was->client_streaming != now->client_streaming)
        compat_add(compat, METHOD_CLIENT_STREAMING_CHANGED, now_at, was_at, "method %s of %s took %s, now %s",
            was->name, service, was->client_streaming ? "a stream" : "one request",
            now->client_streaming ? "a stream" : "one request");
    if (was->server_streaming != now->server_streaming)
        compat_add(compat, METHOD_SERVER_STREAMING_CHANGED, now_at, was_at, "method %s of %s gave %s, now %s",
            was->name, service, was->server_streaming ? "a stream" : "one response",
            now->server_streaming ? "a stream" : "one response");
    if (was->idempotency != now->idempotency)
        compat_add(compat, METHOD_IDEMPOTENCY_CHANGED, now_at, was_at,
            "method %s of %s has another idempotency_level", was->name, service);
}

void compat_service(struct compat *compat, const struct model_service *was, const struct model_service *now) {
    for (size_t i = 0; i < was->method_count; i++) {
        const struct model_method *method = &was->methods[i], *found = method_named(now, method->name);
        if (found)
            check_method(compat, was, method, now, found);
        else
            compat_add(compat, METHOD_REMOVED, compat_where(now->file, now->note.place),
                compat_where(was->file, method->note.place), "method %s of %s is gone", method->name,
                was->full_name);
    }
}
