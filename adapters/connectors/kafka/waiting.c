// Waiting for the cluster in small steps: an adapter that is asked to end waits no longer than `drain` says,
// though a node stands still.
#include "adapters/connectors/kafka/kafka.h"

#include "core/base/clock.h"

#define STEP_MS 500u

uint64_t kafka_until_ns(uint32_t ms) {
    return clock_monotonic_ns() + ms * CLOCK_MILLISECOND_NS;
}

int kafka_step_ms(const struct common *common, uint64_t until_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t left_ms = until_ns > now_ns ? (until_ns - now_ns) / CLOCK_MILLISECOND_NS : 0;
    return (int)common->host->patience_ms(
        common->host->runtime, left_ms < STEP_MS ? (uint32_t)left_ms : STEP_MS);
}

rd_kafka_error_t *kafka_ask(const struct common *common, rd_kafka_t *rk, kafka_call *call, uint32_t wait_ms) {
    uint64_t until_ns = kafka_until_ns(wait_ms);
    for (;;) {
        int step_ms = kafka_step_ms(common, until_ns);
        rd_kafka_error_t *why = call(rk, step_ms);
        if (!why || step_ms == 0 || rd_kafka_error_code(why) != RD_KAFKA_RESP_ERR__TIMED_OUT)
            return why;
        rd_kafka_error_destroy(why);
    }
}
