// Shared by the files of broker/configuration; for nobody else.
#pragma once

#include "broker/configuration/configuration.h"

// Of what the settings name, without keys. The routes' files go to `routes` (owned) unless that is NULL.
int digest_files(const struct policy_settings *settings, struct files *routes, uint8_t out[DIGEST_SIZE]);
int digest_with_keys(const struct policy *policy, const uint8_t files[DIGEST_SIZE], uint8_t out[DIGEST_SIZE]);

// Fills configuration->record. 0 or negative.
int pack_record(struct configuration *configuration, const struct files *routes);
