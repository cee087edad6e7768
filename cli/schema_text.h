// Types as text and as JSON.
#pragma once

#include "cli/schema.h"

#include <jansson.h>

void schema_print_message(const struct model *model, const struct model_message *message, FILE *to);
void schema_print_enum(const struct model_enum *type, FILE *to);
void schema_print_service(const struct model_service *service, FILE *to);

// Owned, or NULL without memory.
json_t *schema_message_json(const struct model *model, const struct model_message *message);
json_t *schema_enum_json(const struct model_enum *type);
json_t *schema_service_json(const struct model_service *service);
