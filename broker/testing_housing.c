#include "broker/testing_housing.h"

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from, (void)payload, (void)now_us, (void)error;
    const char *const systems[] = {H, PS};
    for (size_t i = 0; i < 2; i++)
        matcher->matches[i] = (struct match){.route = "r",
            .to = policy_system_named(matcher->policy, bytes_of_string(systems[i])),
            .type = type,
            .subject = subject,
            .retries = 3,
            .backoff_min_ms = 100,
            .backoff_max_ms = 1000};
    *count = subject.size && subject.data[0] == '+' ? 2 : 1;
    *out = matcher->matches;
    return 0;
}
